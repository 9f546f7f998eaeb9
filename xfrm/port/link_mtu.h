// link_mtu.h - how long a packet may be on the link that leads to a peer: the MTU of the device, or
// of the route where that is lower. What the kernel believes to know of the path behind it is left
// out: it takes an ICMP message's word for it that names no SA (see path/pmtu.h).
#pragma once

#include "base/addr.h"
#include "base/err.h"

struct link_mtu;

// `fwmark`: by which packets of our own are routed. Errors: ERR_SYSTEM, ERR_NOMEM, with a sentence.
err_t link_mtu_new(uint32_t fwmark, struct link_mtu **out, struct why *why);
void link_mtu_free(struct link_mtu *l); // NULL is fine
// Bytes, at most 65535; 0: there is no route, or the kernel does not say. `src` AF_UNSPEC or all
// zero: any. Three system calls; one thread at a time.
uint32_t link_mtu_ask(struct link_mtu *l, const ip_t *dst, const ip_t *src);
// The device that the link is at: its index; 0: there is no route. Two or four system calls.
uint32_t link_mtu_device(struct link_mtu *l, const ip_t *dst, const ip_t *src);
