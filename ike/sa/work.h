// work.h - public-key operations and look-ups that take long: done outside the protocol's thread,
// by whom struct env's `work` says. The exchange that needs the result is suspended meanwhile; a
// message that needs it is put aside (held.h) and handled again when the result is there.
//
// A work owns all that it touches. One IKE SA has at most one under way; if the IKE SA ends before
// it is done, the result is thrown away.
#pragma once

#include "base/err.h"
#include "ike/ike.h"

struct ike_work {
    struct ike_work *next; // for whoever queues it
    uint64_t turn;         // likewise
    uint32_t source;       // whose fault it is: works of one address, or IPv6 /64, have the same
    void (*run)(struct ike_work *w); // in any thread: touches nothing but what w owns
    // In the protocol's thread, if the IKE SA still waits for it.
    void (*done)(struct ike_work *w, struct ike_sa *sa);
    void (*free)(struct ike_work *w); // in any thread; perhaps without `run` and `done`
    uint64_t spi, id;                 // whom it is for, and which of all (work.c)
};

// Gives w away, whatever the result. Errors: ERR_LIMIT (too much to do already), ERR_STATE (this
// IKE SA has a work under way), ERR_UNSUPPORTED (nobody works here).
err_t work_start(struct ike_sa *sa, struct ike_work *w);
// The same for a struct ike_radius, which a RADIUS server does. Errors also: ERR_NOTFOUND (no
// server is configured), ERR_CRYPTO, ERR_SPACE.
err_t work_ask(struct ike_sa *sa, struct ike_work *w);
// The same for a struct dhcp_ask (lease.h), which a DHCP server does.
err_t work_lease(struct ike_sa *sa, struct ike_work *w);
// It has run: tells the IKE SA that waits for it, if there still is one, and frees it.
void work_finish(struct ike *ike, struct ike_work *w);
