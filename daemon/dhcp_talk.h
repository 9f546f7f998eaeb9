// dhcp_talk.h - what is said with DHCP servers for clients (RFC 2131), and the leases that have
// come of it: a client asks (DISCOVER, OFFER, REQUEST, ACK), its lease is kept up as long as it is
// needed, and given back. Clock, randomness and sockets come from outside. One thread.
//
// With the broadcast address 255.255.255.255 we speak as a client, with any other as a relay, which
// the answers come back to (giaddr).
#pragma once

#include "base/clock.h"
#include "conf/strongswan.h"
#include "daemon/dhcp_msg.h"

#define DHCP_TALKS_MAX 256 // clients that have no answer yet; each has proved who it is
#define DHCP_TALKS_EACH 16 // ... of one identity
#define DHCP_TRIES 3       // of DISCOVER, and of REQUEST: after 2, 4 and 8 seconds it is over
#define DHCP_NAKS_MAX 2    // refusals after which a client begins anew
// A client repeats IKE_AUTH for some minutes, but its half-open IKE SA lives for 30 s.
#define DHCP_PATIENCE_NS (24 * NSEC_PER_SEC)

struct dhcp_talks;

struct dhcp_port {
    void *ctx;
    uint64_t (*now)(void *ctx); // monotonic ns
    void (*random)(void *ctx, void *out, size_t n);
    // Our IPv4 address towards a server; AF_UNSPEC: there is no way to it.
    ip_t (*source_for)(void *ctx, const ip_t *server);
    void (*send)(void *ctx, const ip_t *to, span_t message);
    // An answer is in there: gives it back to whoever has asked.
    void (*answered)(void *ctx, struct dhcp_ask *ask);
    // The server has taken it back, or has not answered until its end.
    void (*lost)(void *ctx, uint32_t lease);
};

// NULL: out of memory.
struct dhcp_talks *dhcp_talks_new(const struct dhcp_port *port, const struct strongswan_dhcp *s);
// Who waits is freed without an answer. Leases are given back if `release`.
void dhcp_talks_free(struct dhcp_talks *t, bool release); // NULL is fine

// Takes it if ERR_OK; it is answered later, never during the call. Errors: ERR_LIMIT, ERR_NOMEM.
err_t dhcp_talks_ask(struct dhcp_talks *t, struct dhcp_ask *ask);
void dhcp_talks_release(struct dhcp_talks *t, uint32_t lease); // an unknown one is fine
// A message of a server, or anything else.
void dhcp_talks_hear(struct dhcp_talks *t, span_t message);
void dhcp_talks_tick(struct dhcp_talks *t);
uint64_t dhcp_talks_next(const struct dhcp_talks *t); // when to tick; UINT64_MAX: never
