// control.h - the executor's side of the contract: struct xfrm_ops over its own SAD and SPD, with
// the kernel's rules (net/xfrm/xfrm_user.c, xfrm_state.c, xfrm_policy.c) and one difference: what
// this executor cannot do is refused with a sentence.
//
// Everything here belongs to one thread, the control thread, which must be a registered RCU thread.
// It may be offline between calls: each call goes online and leaves it as it was.
#pragma once

#include "xfrm/db/db.h"
#include "xfrm/xfrm.h"

struct control;

// Events come to fn during the call that causes them (a request, a tick, a worker's event).
// portid and nlseq are 0: who asked is known to the server. fn must not call back into control: it
// notes or sends, and acts later. NULL when out of memory.
struct control *control_new(struct db *db, xfrm_event_fn *fn, void *ctx);
void control_free(struct control *c); // the database stays
// From now on SAs may have algorithms that are weak (struct alg: legacy).
void control_allow_legacy(struct control *c);

// How many workers there are (1 by default): packets come to the one that their SPI modulo that
// number says, and ALLOCSPI keeps a flow with its worker.
void control_set_workers(struct control *c, unsigned workers);

// The conversation (xfrm.h), for the netlink server or an in-process diplomat.
// ERR_NOTFOUND for sa_flush that found nothing; policy_flush is ERR_OK then.
// sa_alloc_spi: ERR_NOTFOUND when no SPI of the range is free (the kernel: ENOENT).
struct xfrm_api control_api(struct control *c);

// Whether anybody would hear an event; NULL (the default): nobody. Replay state (XFRM_EV_AE) is
// looked at every CONTROL_AE_MS while somebody listens: after ae_packets packets it is told, and
// after ae_timer if it has changed at all.
typedef bool control_listened_fn(void *ctx, enum xfrm_event_kind kind);
void control_on_listened(struct control *c, control_listened_fn *fn, void *ctx);
#define CONTROL_AE_MS 100 // the unit of ae_timer; a busy SA is told no more often
// NAT keepalives (XFRMA_NAT_KEEPALIVE_INTERVAL, RFC 3948 4). fn is to send one byte 0xff from
// `from` to `to`, with this firewall mark if it is not 0: the ends and output mark of an SA's UDP
// encapsulation through which nothing has left for the interval; that is found up to a second late,
// with many SAs a quarter of the interval. It is called from control_tick(); NULL (the default):
// there are none.
typedef void control_keepalive_fn(void *ctx, const endpoint_t *from, const endpoint_t *to,
                                  uint32_t mark);
void control_on_keepalive(struct control *c, control_keepalive_fn *fn, void *ctx);

// The UDP port that packets of an SA with UDP encapsulation come from (RFC 3948) must be there to
// send by. NULL (the default): whoever sends has them all.
struct control_sources {
    // Opens `number` for SAs like x, or counts one more. ERR_NOTFOUND: nothing need be opened;
    // other errors, with a sentence, are the requester's: the SA is not entered.
    err_t (*hold)(void *ctx, const struct xfrm_sa *x, uint16_t number, struct why *why);
    void (*release)(void *ctx, uint16_t family, uint16_t number); // undoes one hold
    void *ctx;
};
void control_on_sources(struct control *c, const struct control_sources *s);

// Marks that packets have on their way into the executor or out of it: behind a device that does
// not tell them, each needs a way of its own. NULL (the default): packets come with theirs.
struct control_marks {
    // Packets with the mark of this outbound policy are to come with it. Counts.
    // Errors, with a sentence, are the requester's: the policy is not entered.
    err_t (*lead)(void *ctx, const struct xfrm_policy *p, struct why *why);
    // What SAs like x open is to go to the host with this mark, which is not 0. Counts.
    // ERR_NOTFOUND: x is not inbound; other errors as above.
    err_t (*give)(void *ctx, const struct xfrm_sa *x, uint32_t mark, struct why *why);
    void (*unlead)(void *ctx, const struct xfrm_policy *p); // each undoes one
    void (*ungive)(void *ctx, uint32_t mark);
    void *ctx;
};
void control_on_marks(struct control *c, const struct control_marks *m);

// Looks at lifetimes by time and reaps what workers have found expired. Call when the returned
// moment (monotonic ns, UINT64_MAX = no need) has come and after control_worker_event().
// A request may bring the moment forward: ask again with control_due().
uint64_t control_tick(struct control *c);
uint64_t control_due(const struct control *c);

// An event that a worker handed over (exits.event), now in the control thread:
//   ACQUIRE  gets its sequence number and a larval SA, and goes to the listeners; a repeat for the
//            same need (another worker had it too) is swallowed
//   EXPIRE   a hint that traffic has reached a limit; the SA itself is looked at
//   MAPPING  forwarded with the SA as it is now
void control_worker_event(struct control *c, const struct xfrm_event *ev);

// Clocks for tests; the default is base/clock.h.
struct control_clock {
    uint64_t (*mono)(void *ctx); // ns
    uint64_t (*wall)(void *ctx); // seconds since 1970
    void *ctx;
};
void control_set_clock(struct control *c, struct control_clock clock);

#define CONTROL_ACQUIRE_S 30 // life of a larval SA that ACQUIRE made: the kernel's xfrm_acq_expires
#define CONTROL_SPI_S 165    // of one that ALLOCSPI made: a whole IKE exchange with retransmissions
#define CONTROL_SA_MAX 1000000     // SAs, larval ones included: about 3 KiB each
#define CONTROL_POLICY_MAX 1000000 // policies
