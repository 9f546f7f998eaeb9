// sim.h - a small world of diplomats without sockets, clocks or kernels: the test is the network
// and the time. Everything random comes from one seed, so every failure can be played again.
//
// A world has SIM_NODES hosts, or as many as the test wants. Each runs the real diplomat (ike/) on
// a struct env whose executor is a fake that remembers what it was told (sim_xfrm.h). Messages
// travel for LATENCY; the test may look at each one on the way and drop, double, delay or spoil it
// (sim_fate_fn).
//
// After every event the world checks what must always hold (sim_check): what one side encrypts, the
// other can read. Once the test calls sim_watch() there must also be no moment without that.
#pragma once

#include "base/clock.h"
#include "base/text.h"
#include "ike/ike.h"
#include "test/check.h"
#include "test/sim/sim_xfrm.h"

#define SIM_NODES 4     // of the usual world
#define SIM_CROWD 32    // of the largest
#define SIM_FLIGHT 4096 // messages under way
#define SIM_BYTES 8192  // of one message
#define SECOND NSEC_PER_SEC
#define LATENCY (20 * NSEC_PER_MSEC)

enum { ALICE, BOB, CAROL, DAVE };

// What the hosts of a world offer for IKE where a test says nothing: one round trip for the keys.
#define SIM_SUITE                                                                             \
    "proposals = aes256gcm16-aes128gcm16-prfsha256-prfsha384-x25519-ecp256-ecp384-modp2048, " \
    "aes256-aes128-sha256-sha384-x25519-ecp256-ecp384-modp2048"

struct sim;

// One message under way.
struct sim_message {
    uint64_t at; // arrives
    int from;    // node that sent it; -1: forged
    struct datagram d;
    uint8_t bytes[SIM_BYTES];
};

// Decides about a message that is about to leave: 0 = lost, else how many copies arrive. It may
// change m->at and the bytes. n counts all messages of this world from 0.
typedef unsigned sim_fate_fn(struct sim *s, struct sim_message *m, unsigned n);

// How a command ended.
struct sim_result {
    unsigned told; // how often: must be exactly one
    err_t err;
    char sentence[256];
};

struct sim_node {
    struct sim *s;
    int index;
    ip_t ip, nat_ip; // nat_ip AF_UNSPEC: no NAT in front
    ip_t also;       // a second address; AF_UNSPEC: none
    bool offline;    // no route, and nothing arrives
    uint16_t nat_port_500, nat_port_4500;
    struct env env;
    struct ike *ike; // NULL: switched off
    struct ike_options opt;
    struct config *config;
    uint64_t since;     // of its connections: 0 = always new
    const char *folder; // of the configuration, with its certificates; NULL: it has none
    struct sim_xfrm xfrm;
    struct text story;  // every sentence told
    unsigned events[7]; // by enum ike_event_kind
    unsigned alerts[ALERTS];
    unsigned keepalives;
};

// A packet of the user under way, sent as the sender's executor would at that moment.
struct sim_probe {
    uint64_t at;
    int to;
    ip_t daddr;
    uint32_t spi;
    struct xfrm_alg aead, crypt, auth;
};
#define SIM_PROBES 512

// A work (ike/sa/work.h) under way at one node.
struct sim_work {
    uint64_t at;
    int node;
    struct ike_work *w;
};
#define SIM_WORKS 64

struct sim {
    uint64_t now, seed;
    unsigned nodes;
    struct sim_node *node; // `nodes` of them
    struct sim_message *flight[SIM_FLIGHT];
    unsigned in_flight, sent;
    sim_fate_fn *fate;
    unsigned fate_arg;
    double loss, twice, jitter; // of sim_fate_random
    bool watching;
    bool inner_v6;         // of the usual pair
    bool encap_may_differ; // for a moment, while NATs come and go
    bool by_hand;          // messages wait for sim_deliver()
    struct sim_probe probe[SIM_PROBES];
    unsigned probes;
    struct sim_work work[SIM_WORKS];
    unsigned works, works_run, works_max; // under way, done so far, allowed
    uint64_t work_takes;                  // ns
};

// SIM_NODES hosts, from 192.0.2.1 (ALICE) and 192.0.2.2 (BOB) on, not yet configured.
struct sim *sim_new(uint64_t seed);
struct sim *sim_new_crowd(uint64_t seed, unsigned nodes); // 192.0.2.1 ... 192.0.2.`nodes`
void sim_free(struct sim *s);
uint64_t sim_random(struct sim *s);
// Reads swanctl.conf text (a mistake in it fails the test) and starts the host's diplomat, or puts
// the new configuration in force if it runs.
void sim_configure(struct sim *s, int node, const char *conf);
// The usual pair: net-net with 10.1.0.0/16 behind ALICE and 10.2.0.0/16 behind BOB. `conn` and
// `child` are more lines for both sides' connection and child.
void sim_net_net(struct sim *s, const char *conn, const char *child);
// The same for one side only.
void sim_net_net_side(struct sim *s, int node, const char *conn, const char *child);
// ... which has another secret than its peer.
void sim_wrong_secret(struct sim *s, int node, const char *conn);
// The host is at another address from now on, and its diplomat notices.
void sim_roam(struct sim *s, int node, const char *ip);
void sim_switch_off(struct sim *s, int node); // as by a crash; the executor goes on

// ---- commands ----
void sim_initiate(struct sim *s, int node, const char *child, struct sim_result *r);
// Initiates "net" at ALICE, runs, and expects one IKE SA and one child SA on both sides.
void sim_establish(struct sim *s);
// A world with the usual pair in which that has happened, and which is watched (sim_watch).
struct sim *sim_established(uint64_t seed, const char *conn, const char *child);
// As sim_establish(), while the nth message of this world gets lost, or comes twice.
void sim_establish_despite(struct sim *s, sim_fate_fn *fate, unsigned nth);
void sim_rekey_child(struct sim *s, int node);
void sim_rekey_ike(struct sim *s, int node);
void sim_terminate_child(struct sim *s, int node, struct sim_result *r);
void sim_terminate_ike(struct sim *s, int node, struct sim_result *r);
void sim_shutdown(struct sim *s, int node, struct sim_result *r); // within 5 s

// ---- the network and the time ----
void sim_run(struct sim *s, uint64_t ns);             // everything that happens in this time
bool sim_run_until_quiet(struct sim *s, uint64_t ns); // ... or until no message is under way
// by_hand: delivers the oldest message from this node; false if there is none.
bool sim_deliver(struct sim *s, int from);
void sim_drop(struct sim *s, int from); // ... or loses it
sim_fate_fn sim_fate_random, sim_fate_nth_lost, sim_fate_nth_twice, sim_fate_cut;
// A packet without an SA: the executor tells its policy's ACQUIRE, with this seq.
void sim_acquire(struct sim *s, int from, uint32_t seq);
// A packet from the network behind `from` to the one behind the other of ALICE and BOB. true: it
// arrives, protected.
bool sim_packet(struct sim *s, int from);

// ---- looking ----
unsigned sim_ikes(struct sim *s, int node);     // IKE SAs up
unsigned sim_children(struct sim *s, int node); // child SAs in use
// One IKE SA and one child SA on both sides, which fit together, nothing left over in the
// executors.
void sim_expect_clean(struct sim *s);
void sim_expect_nothing(struct sim *s);                    // no SA anywhere, no policy
bool sim_told(struct sim *s, int node, const char *words); // is it in the story?
struct sim_sa *sim_outbound(struct sim *s, int from);      // that a packet would take; NULL if none
void sim_watch(struct sim *s, bool on);
void sim_check(struct sim *s); // is called after every event

struct ike_stats sim_stats(struct sim *s, int node);
