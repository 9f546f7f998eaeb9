// af_xdp.h - packets past the host's stack: for a gateway that forwards between two interfaces.
//
//     peer ==ESP==> outer [XDP program] --> AF_XDP socket --> path_in --> AF_XDP socket --> inner
//     peer <==ESP== outer <-- AF_XDP socket <-- path_out <-- AF_XDP socket <-- [XDP program] inner
//
// It is a short cut, and nothing depends on it: what the programs do not take (xdp_prog.h) comes by
// the other ports, and what is to go where no next hop is known (hop.h) leaves by them.
// The host's firewall and its counters do not see what goes this way.
#pragma once

#include "xfrm/port/port.h"
#include "xfrm/port/xdp_prog.h"

#define XDP_QUEUES_MAX 8 // receive queues served of each interface; others are the host's

struct xdp_conf {
    const char *device[XDP_SIDES]; // inner: NULL for none
    uint16_t udp_port;
    bool udp, esp;
    unsigned workers; // queue i is served by worker i % workers
};

struct xdp; // both interfaces

// Opens programs, memory and sockets; nothing is taken yet. Before the sandbox: it needs bpf(2) and
// AF_XDP. Errors: as xdp_prog_open(), with a sentence.
err_t xdp_open(const struct xdp_conf *conf, struct xdp **out, struct why *why);
void xdp_free(struct xdp *x); // with its ports, which nobody uses any more; NULL is fine

void xdp_start(struct xdp *x, uint32_t tun); // the workers run: packets are taken from now on
void xdp_stop(struct xdp *x);                // all packets are the host's again

// The port of a queue, or NULL. Its ops->free does nothing: it belongs to x.
struct port *xdp_port(const struct xdp *x, enum xdp_side side, unsigned queue);
uint32_t xdp_device(const struct xdp *x, enum xdp_side side); // interface index; 0: none
const uint8_t *xdp_mac(const struct xdp *x, enum xdp_side side);
// How an interface is served, for people: "driver, copied".
const char *xdp_way(const struct xdp *x, enum xdp_side side);

// What such a port sends are packets with p->hop set.
bool af_xdp_alive(const struct port *p); // false: its interface is gone
