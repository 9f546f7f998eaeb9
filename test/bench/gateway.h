// gateway.h - two executors in memory: what one seals the other opens. For path_bench.c.
//
// The near one has an outbound policy and an SA for each of its tunnels, the far one an inbound
// policy, a forward policy and an SA. Packets go from one to the other by a copy that nobody times.
#pragma once

#include "test/bench/stopwatch.h"
#include "xfrm/control.h"
#include "xfrm/path/path.h"

#define STAGES_MAX 16

struct bench_alg {
    const char *name;
    const char *aead;  // the kernel's name; NULL: AES-128-CBC with HMAC-SHA-256
    uint16_t key_bits; // salt included
};
extern const struct bench_alg bench_algs[]; // ends with {NULL}

enum bench_set {
    SET_DISTINCT, // one tuple of prefix lengths, priorities all alike
    SET_OVERLAP,  // sixteen, and many policies fit a packet: the priority decides
    SET_PAIRS,    // all 33 x 33 pairs of IPv4 prefix lengths: the worst there is
};

struct gateway_conf {
    const struct bench_alg *alg;
    unsigned tunnels;
    enum bench_set set;
};

struct side {
    struct db *db;
    struct control *control;
    struct worker w;
    uint64_t spent;             // ticks of the last burst
    uint64_t stage[STAGES_MAX]; // likewise, where it was asked for
};

struct gateway {
    struct gateway_conf conf;
    struct side near, far;
    struct burst burst;
    unsigned sent;
    struct {
        const uint8_t *at;
        uint32_t len;
    } frame[BURST_MAX];
    uint32_t random;
    double sa_bytes, policy_bytes; // memory of one, seal and open side together
};

// Everything that can go wrong here is a defect of the program or want of memory: it ends.
struct gateway *gateway_new(const struct gateway_conf *conf);
void gateway_free(struct gateway *g);
// Sends one burst of inner packets of `size` bytes, `train` in a row through the same tunnel, and
// has it opened. by_stage: with a clock around each stage instead of one around the whole path.
void gateway_run(struct gateway *g, uint32_t size, unsigned train, bool by_stage);
