// control_part.h - what the files of control share: control.c (events, lifetimes), control_keep.c
// (NAT keepalives), control_source.c (UDP ports to send from), control_mark.c (marks of packets),
// control_sa.c, control_move.c and control_policy.c (requests). Control thread.
#pragma once

#include "base/rcu.h"
#include "xfrm/control.h"

// Where a walk over a list has ended, and how many entries stand before that.
struct cursor {
    struct cds_list_head *at; // NULL: nowhere
    uint64_t index;
};

struct control {
    struct cursor sa_cursor, policy_cursor;
    struct db *db;
    xfrm_event_fn *fn;
    void *ctx;
    struct control_clock clock;
    uint64_t due; // monotonic ns of the next tick, if it is not a timer's
    struct heap sa_timers, policy_timers;
    uint32_t acquire_seq; // of the last ACQUIRE
    uint32_t next_index;  // for policies
    uint32_t plain_spi;   // of the last companion in IPv6
    unsigned workers;     // of the engine
    bool legacy;          // weak algorithms are taken
    control_listened_fn *listened;
    void *listened_ctx;
    control_keepalive_fn *keepalive;
    void *keepalive_ctx;
    struct control_sources sources; // hold NULL: nobody asks
    struct control_marks marks;     // lead NULL: nobody asks
};

// The control thread waits offline (it would delay every free otherwise) and comes online for the
// length of a call: AUTO(online) struct online on = online_enter();
struct online {
    bool was;
};
struct online online_enter(void);
void online_done(struct online *o);

uint64_t control_mono(const struct control *c);
uint64_t control_wall(const struct control *c);
// Takes care that the next tick comes no later than `at` (monotonic ns).
void control_hurry(struct control *c, uint64_t at);

// ---- walks over long lists, piece by piece (control.c) ----
// To the entry of `list` that has `skip` others before it, or to `list` itself: the end.
void cursor_seek(struct cursor *cur, struct cds_list_head *list, uint64_t skip);
static inline void cursor_step(struct cursor *cur)
{
    cur->at = cur->at->next;
    cur->index++;
}
// An entry is about to be taken out.
void cursor_leave(struct cursor *cur, const struct cds_list_head *entry);

// ---- events ----
void control_tell_sa(struct control *c, enum xfrm_event_kind kind, const struct sa *sa, bool hard);
void control_tell_policy(struct control *c, enum xfrm_event_kind kind, const struct policy *p,
                         bool hard);

void control_tell_ae(struct control *c, const struct sa *sa, uint32_t cause);
// Notes the replay state as told.
void control_ae_told(const struct control *c, struct sa *sa);

// ---- control_sa.c ----
extern const struct xfrm_ops control_ops;
err_t control_sa_alloc_spi(void *ctx, const struct xfrm_sa *like, uint32_t min, uint32_t max,
                           struct xfrm_sa *out, struct why *why);
err_t control_sa_add(void *ctx, const struct xfrm_sa *x, struct why *why);
err_t control_sa_update(void *ctx, const struct xfrm_sa *x, struct why *why);
err_t control_sa_get(void *ctx, const struct xfrm_sa_id *id, struct xfrm_sa *out);
err_t control_sa_del(void *ctx, const struct xfrm_sa_id *id);
err_t control_sa_flush(void *ctx, uint8_t proto);
err_t control_sa_expire(void *ctx, const struct xfrm_sa_id *id, bool hard);
err_t control_sa_each_from(void *ctx, uint64_t skip,
                           bool (*fn)(void *arg, const struct xfrm_sa *sa), void *arg);
err_t control_sa_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_sa *sa), void *arg);
// Out of the database, without an event.
void control_sa_remove(struct control *c, struct sa *sa);
// Sets the SA's clocks by what its lifetime so far says.
void control_sa_age(const struct control *c, struct sa *sa);
// Puts a made SA into the database; frees it on error. ERR_NOMEM.
err_t control_sa_admit(struct control *c, struct sa *sa);
// Enters an SA, or a larval one, with its clocks started.
err_t control_sa_enter(struct control *c, struct xfrm_sa *x, struct sa **out, struct why *why);
// Sets the timer by which its lifetime will be looked at next, or takes it back.
void control_sa_watch(struct control *c, struct sa *sa);
void control_sa_unwatch(struct control *c, struct sa *sa);

// For how long an SA may be left alone that traffic can do something to.
uint64_t control_watch_ns(const struct control *c);

// ---- control_keep.c ----
// When it is to be looked at again for its NAT keepalive; UINT64_MAX: it has none.
uint64_t control_keep_due(const struct control *c, const struct sa *sa);
// Sends it if the SA has been quiet for so long.
void control_keep_review(const struct control *c, struct sa *sa, uint64_t now);

// ---- control_source.c ----
// Takes hold of the port that the packets of x with this encapsulation come from. *held: the port
// to give back, 0 if there is none.
err_t control_source_hold(const struct control *c, const struct xfrm_sa *x,
                          const struct xfrm_encap *encap, uint16_t *held, struct why *why);
void control_source_release(const struct control *c, uint16_t family, uint16_t held); // 0 is fine

// ---- control_mark.c ----
// Takes hold of what x, with the output mark of `now`, needs in the host: a port to send from and a
// way for its mark.
err_t control_sa_hold(const struct control *c, const struct xfrm_sa *x, const struct xfrm_sa *now,
                      struct sa_held *held, struct why *why);
// Gives back what the SA holds, before it goes. NULL is fine.
void control_sa_release(const struct control *c, struct sa *sa);
// The same for a policy.
err_t control_policy_hold(struct control *c, const struct xfrm_policy *p, struct why *why);
void control_policy_release(struct control *c, const struct xfrm_policy *p);

// ---- control_move.c ----
err_t control_sa_set_ae(void *ctx, const struct xfrm_ae *ae, struct why *why);
err_t control_migrate(void *ctx, const struct xfrm_migrate *g, struct why *why);
err_t control_defaults_set(void *ctx, const uint8_t actions[XFRM_DIRS]);
err_t control_defaults_get(void *ctx, uint8_t actions[XFRM_DIRS]);

// ---- control_policy.c ----
err_t control_policy_add(void *ctx, const struct xfrm_policy *p, bool update, struct why *why);
err_t control_policy_get(void *ctx, const struct xfrm_policy_id *id, struct xfrm_policy *out);
err_t control_policy_del(void *ctx, const struct xfrm_policy_id *id);
err_t control_policy_flush(void *ctx, uint8_t type);
err_t control_policy_each_from(void *ctx, uint64_t skip,
                               bool (*fn)(void *arg, const struct xfrm_policy *p), void *arg);
err_t control_policy_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_policy *p), void *arg);
void control_policy_remove(struct control *c, struct policy *p);
// Puts conf in the place of p, as old as it was. ERR_NOMEM.
err_t control_policy_move(struct control *c, struct policy *p, const struct xfrm_policy *conf);
void control_policy_watch(struct control *c, struct policy *p);
void control_policy_unwatch(struct control *c, struct policy *p);
