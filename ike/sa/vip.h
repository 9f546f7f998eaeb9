// vip.h - the virtual addresses that belong to an IKE SA and live as long as it or what rekeying
// makes of it (RFC 7296 3.15.1): ours, from a gateway, or the peer's, from our pools. "dynamic" in
// traffic selectors means these addresses where there are any.
#pragma once

#include "ike/sa/dynamic.h"
#include "ike/sa/ike_sa.h"
#include "ike/sa/lease.h"
#include "ike/sa/pool.h"

struct vips {
    unsigned n;
    ip_t ip[CONF_VIPS_MAX];
    struct lease *lease[CONF_VIPS_MAX]; // gateway: held; NULL otherwise
    struct ike_given *given;            // client: all that we were given; NULL on a gateway
    struct dhcp_lease *lent;            // gateway: of a DHCP server; NULL: none
};

// The IKE SA is over: leases are given back, the host loses its address.
void vips_drop(struct ike_sa *sa);
// Frees only: what the host has stays.
void vips_forget(struct ike_sa *sa);
void vips_move(struct ike_sa *from, struct ike_sa *to);
// Gateway: will the peer's other IKE SAs go, so that this one may have an address of theirs?
bool vips_replaces(const struct ike_sa *sa);
// Is it a virtual address of this host? Then nobody reaches us there outside of a tunnel.
bool vips_has(const struct ike *ike, const ip_t *ip);

// What "dynamic" means on either side of this IKE SA.
struct hosts vips_local(const struct ike_sa *sa);
struct hosts vips_remote(const struct ike_sa *sa);
// ... on our side before there is an IKE SA: every address of the families asked for, or ours.
struct hosts vips_wanted(const struct conn *conn, const ip_t *own);
