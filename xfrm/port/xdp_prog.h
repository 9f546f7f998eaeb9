// xdp_prog.h - the program that an interface's driver runs for every frame (XDP): it takes what is
// the executor's out of the kernel's way and gives it to the AF_XDP socket of the queue that the
// frame came by (af_xdp.h). All else goes on to the host.
//
//     outer   ESP and ESP in UDP for an address of this host; IKE, keepalives, fragments, packets
//             with IP options or extension headers stay the host's
//     inner   what the host would route into the TUN device: the same decision, by the same routing
//             tables and rules (steer.h), without the walk through the host's stack
//
// It ends with the process, however that ends: the kernel keeps it for as long as its descriptor.
//
// Threads: made, changed and freed by the control thread. Before the sandbox: it needs bpf(2).
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum xdp_side { XDP_OUTER, XDP_INNER, XDP_SIDES };

// Longer frames are the host's: those that it has joined (GRO) would not fit into the sockets'
// memory.
#define XDP_FRAME_MAX 3500

struct xdp_prog_conf {
    enum xdp_side side;
    const char *device;
    uint16_t udp_port; // of ESP in UDP
    bool udp, esp;     // outer: which of both is taken
};

struct xdp_prog;

// Finds the interface and attaches a program that passes everything on. The driver's own way of
// running it is preferred to the general one. Errors: ERR_NOTFOUND, ERR_UNSUPPORTED,
// ERR_PERMISSION, ERR_SYSTEM, ERR_NOMEM, with a sentence.
err_t xdp_prog_open(const struct xdp_prog_conf *conf, struct xdp_prog **out, struct why *why);
void xdp_prog_free(struct xdp_prog *p); // the interface is as it was; NULL is fine

// From now on frames of this queue go to that socket, if they are taken at all.
err_t xdp_prog_queue(struct xdp_prog *p, uint32_t queue, int socket, struct why *why);
// Takes frames from now on. `tun`: interface index of the TUN device.
void xdp_prog_start(struct xdp_prog *p, uint32_t tun);
void xdp_prog_stop(struct xdp_prog *p); // passes everything on again

uint32_t xdp_prog_device(const struct xdp_prog *p);    // interface index
const uint8_t *xdp_prog_mac(const struct xdp_prog *p); // 6 bytes
bool xdp_prog_native(const struct xdp_prog *p);        // it is the driver who runs it
