// xdp_code.h - the instructions of the program that xdp_prog.h attaches.
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

#define XDP_CODE_MAX 192

struct xdp_state { // the one entry of the state map
    uint32_t on;   // 0: everything passes
    uint32_t tun;  // interface index of the TUN device
};

struct xdp_code_conf {
    bool inner;
    bool udp, esp; // outer
    uint16_t udp_port;
    const uint8_t *mac;    // of the interface: frames to others are not ours
    int state_map, queues; // descriptors
};

struct xdp_code {
    uint32_t n;
    struct bpf_insn at[XDP_CODE_MAX];
    // jumps that are still to learn where they lead
    uint32_t to_pass[32], passes;
    uint32_t to_take[8], takes;
};

void xdp_code_make(struct xdp_code *code, const struct xdp_code_conf *conf);
