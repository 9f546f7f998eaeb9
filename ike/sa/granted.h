// granted.h - what a RADIUS server has granted the peer of an IKE SA (RFC 2865 5): it belongs to
// that, and to those that rekeying makes of it.
#pragma once

#include "ike/sa/ike_sa.h"
#include "radius/reply.h"

struct granted {
    ip_t ip4, ip6; // AF_UNSPEC: none
    unsigned dns_n;
    ip_t dns[RADIUS_DNS_MAX];
    uint32_t session_s, idle_s, interim_s; // 0: nothing said of it
    struct blob classes;                   // attributes Class, to be said again in accounting
};

struct granted *granted_new(const struct radius_grant *g); // NULL: out of memory
void granted_free(struct granted *g);                      // NULL is fine
void granted_move(struct ike_sa *from, struct ike_sa *to);
// How long the peer may stay, and be silent, in seconds; 0: as long as it likes.
static inline uint32_t granted_session_s(const struct ike_sa *sa)
{
    return sa->granted ? sa->granted->session_s : 0;
}
static inline uint32_t granted_idle_s(const struct ike_sa *sa)
{
    return sa->granted ? sa->granted->idle_s : 0;
}
