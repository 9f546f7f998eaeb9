// steering.h - which packets a child SA or a trap is for, beside its selectors: firewall marks,
// interface ids, a device; and the marks that packets get. What the configuration leaves to be
// chosen (%unique) is chosen here.
#pragma once

#include <stdbool.h>

#include "xfrm/xfrm.h"

struct ike;
struct ike_sa;
struct conn;
struct conf_child;

struct steering {
    struct xfrm_mark in, out;         // of policies; `out` of the outbound SA, too
    struct xfrm_mark sa_in;           // of the inbound SA (mark_in_sa)
    struct xfrm_mark set_in, set_out; // on what the SAs have opened, and on what they have sealed
    uint32_t if_id_in, if_id_out;
    bool flows;      // policies are about flows that came in with the mark of outbound ones
    uint32_t device; // of outbound policies and of shunts: its index; 0: any
};

// sa NULL: there is none yet. The IKE SA keeps what is chosen for all of its children.
struct steering steering_make(struct ike *ike, struct ike_sa *sa, const struct conn *conn,
                              const struct conf_child *f);
// Can the executor do what this child wants, and is the device there? ERR_UNSUPPORTED,
// ERR_NOTFOUND, with a sentence.
err_t steering_check(const struct ike *ike, const struct conf_child *f, struct why *why);
// Completes a policy whose direction is set.
void steering_policy(const struct steering *s, const struct conf_child *f, struct xfrm_policy *p);
