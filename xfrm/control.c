#include "xfrm/control.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "xfrm/control_part.h"
#include "xfrm/db/counter.h"

// How often SAs are looked at for what traffic does to them: limits that it can reach (workers tell
// at once; this is for the news that got lost in a full queue), and whether they are quiet.
#define WATCH_NS NSEC_PER_SEC
// With many SAs less often: no more than about this many a second.
#define WATCH_RATE 4096
// Timers that one tick serves; the rest has its turn after the loop's other work.
#define TICK_MAX 256
// A need that another worker tells once more within this time is the same need.
#define SAME_NEED_NS (CONTROL_ACQUIRE_S / 2 * NSEC_PER_SEC)
#define SAME_CPU_NEED_NS (2 * NSEC_PER_SEC) // ... told again after HOLD_CPU_AGAIN

// ---- being an RCU reader only while at work ----

struct online online_enter(void)
{
    struct online o = {.was = rcu_read_ongoing() != 0};
    if (!o.was) rcu_thread_online();
    return o;
}

void online_done(struct online *o)
{
    if (!o->was) rcu_thread_offline();
}

// ---- clocks ----

static uint64_t real_mono(void *ctx)
{
    (void)ctx;
    return clock_mono();
}

static uint64_t real_wall(void *ctx)
{
    (void)ctx;
    return clock_wall();
}

uint64_t control_mono(const struct control *c)
{
    return c->clock.mono(c->clock.ctx);
}

uint64_t control_wall(const struct control *c)
{
    return c->clock.wall(c->clock.ctx);
}

void control_set_clock(struct control *c, struct control_clock clock)
{
    c->clock = clock;
}

// ---- coming and going ----

struct control *control_new(struct db *db, xfrm_event_fn *fn, void *ctx)
{
    struct control *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->db = db;
    c->fn = fn;
    c->ctx = ctx;
    c->due = UINT64_MAX;
    c->clock = (struct control_clock){.mono = real_mono, .wall = real_wall};
    return c;
}

void control_allow_legacy(struct control *c)
{
    c->legacy = true;
}

void control_set_workers(struct control *c, unsigned workers)
{
    c->workers = workers;
}

void control_free(struct control *c)
{
    free(c);
}

// ---- walks ----

void cursor_leave(struct cursor *cur, const struct cds_list_head *entry)
{
    if (cur->at == entry) cur->at = entry->next;
}

void cursor_seek(struct cursor *cur, struct cds_list_head *list, uint64_t skip)
{
    if (!cur->at || skip == 0) *cur = (struct cursor){.at = list->next};
    // a listener that had no room gets some of the last entries again
    for (; cur->index > skip && cur->at->prev != list; cur->index--) cur->at = cur->at->prev;
    if (cur->index > skip)
        *cur = (struct cursor){.at = list->next, .index = skip}; // they have gone
    while (cur->index < skip && cur->at != list) cursor_step(cur);
}

// ---- events ----

void control_tell_sa(struct control *c, enum xfrm_event_kind kind, const struct sa *sa, bool hard)
{
    struct xfrm_sa x;
    sa_snapshot(sa, &x);
    c->fn(c->ctx, &(struct xfrm_event){.kind = kind, .hard = hard, .sa = &x});
    wipe(&x, sizeof x); // it has the keys
}

void control_tell_policy(struct control *c, enum xfrm_event_kind kind, const struct policy *p,
                         bool hard)
{
    struct xfrm_policy x;
    policy_snapshot(p, &x);
    c->fn(c->ctx, &(struct xfrm_event){.kind = kind, .hard = hard, .policy = &x});
}

// ---- lifetimes ----

static uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void control_hurry(struct control *c, uint64_t at)
{
    c->due = min64(c->due, at);
}

static struct sa *sa_first(const struct control *c)
{
    const struct heap_node *n = c->sa_timers.root;
    return n ? caa_container_of(n, struct sa, timer) : NULL;
}

static struct policy *policy_first(const struct control *c)
{
    const struct heap_node *n = c->policy_timers.root;
    return n ? caa_container_of(n, struct policy, timer) : NULL;
}

uint64_t control_due(const struct control *c)
{
    const struct sa *sa = sa_first(c);
    const struct policy *p = policy_first(c);
    uint64_t due = sa ? min64(c->due, sa->due) : c->due;
    return p ? min64(due, p->due) : due;
}

uint64_t control_watch_ns(const struct control *c)
{
    return WATCH_NS * (1 + sad_count(c->db->sad) / WATCH_RATE);
}

static struct lifetime_age sa_age(const struct sa *sa)
{
    return (struct lifetime_age){sa->made_mono, count_get(&sa->used_mono)};
}

static uint64_t sa_due(const struct control *c, const struct sa *sa)
{
    const struct xfrm_lifetime *l = &sa->conf->x.limit;
    struct lifetime_age age = sa_age(sa);
    uint64_t now = control_mono(c), due = lifetime_due(l, &age, now);
    due = min64(due, control_keep_due(c, sa));
    return lifetime_needs_watch(l) ? min64(due, now + control_watch_ns(c)) : due;
}

static bool sa_sooner(const struct heap_node *a, const struct heap_node *b)
{
    return caa_container_of(a, struct sa, timer)->due < caa_container_of(b, struct sa, timer)->due;
}

void control_sa_unwatch(struct control *c, struct sa *sa)
{
    if (sa->due) heap_del(&c->sa_timers, &sa->timer, sa_sooner);
    sa->due = 0;
}

void control_sa_watch(struct control *c, struct sa *sa)
{
    control_sa_unwatch(c, sa);
    uint64_t due = sa_due(c, sa);
    if (due == UINT64_MAX) return;
    sa->due = due;
    heap_add(&c->sa_timers, &sa->timer, sa_sooner);
}

// One SA against its lifetime; true if it is still there afterwards.
static bool sa_review(struct control *c, struct sa *sa, uint64_t now)
{
    struct lifetime_age age = sa_age(sa);
    enum lifetime life = lifetime_by_time(&sa->conf->x.limit, &age, now);
    if (life == LIFETIME_HARD || sa_flag(&sa->dead)) {
        control_tell_sa(c, XFRM_EV_EXPIRE, sa, true);
        control_sa_remove(c, sa);
        return false;
    }
    if (life == LIFETIME_SOFT) (void)sa_raise(&sa->dying);
    if (sa_flag(&sa->dying) && !sa->soft_told) {
        sa->soft_told = true;
        control_tell_sa(c, XFRM_EV_EXPIRE, sa, false);
    }
    return true;
}

static uint64_t policy_due(const struct control *c, const struct policy *p)
{
    const struct xfrm_lifetime *l = &p->conf.limit;
    struct lifetime_age age = {p->made_mono, count_get(&p->used_mono)};
    uint64_t now = control_mono(c), due = lifetime_due(l, &age, now);
    bool waits_for_use = (l->soft_use_s || l->hard_use_s) && !age.used;
    return waits_for_use ? min64(due, now + control_watch_ns(c)) : due;
}

static bool policy_sooner(const struct heap_node *a, const struct heap_node *b)
{
    return caa_container_of(a, struct policy, timer)->due <
           caa_container_of(b, struct policy, timer)->due;
}

void control_policy_unwatch(struct control *c, struct policy *p)
{
    if (p->due) heap_del(&c->policy_timers, &p->timer, policy_sooner);
    p->due = 0;
}

void control_policy_watch(struct control *c, struct policy *p)
{
    control_policy_unwatch(c, p);
    uint64_t due = policy_due(c, p);
    if (due == UINT64_MAX) return;
    p->due = due;
    heap_add(&c->policy_timers, &p->timer, policy_sooner);
}

static bool policy_review(struct control *c, struct policy *p, uint64_t now)
{
    struct lifetime_age age = {p->made_mono, count_get(&p->used_mono)};
    enum lifetime life = lifetime_by_time(&p->conf.limit, &age, now);
    if (life == LIFETIME_HARD) {
        control_tell_policy(c, XFRM_EV_POLEXPIRE, p, true);
        control_policy_remove(c, p);
        return false;
    }
    if (life == LIFETIME_SOFT && !p->soft_told) {
        p->soft_told = true;
        control_tell_policy(c, XFRM_EV_POLEXPIRE, p, false);
    }
    return true;
}

// ---- replay state ----

void control_on_listened(struct control *c, control_listened_fn *fn, void *ctx)
{
    c->listened = fn;
    c->listened_ctx = ctx;
}

void control_ae_told(const struct control *c, struct sa *sa)
{
    sa->told = (struct sa_told){.out_seq = count_get(&sa->next_seq) - 1,
                                .in_seq = count_get(&sa->replay.top),
                                .at = control_mono(c)};
}

void control_tell_ae(struct control *c, const struct sa *sa, uint32_t cause)
{
    struct xfrm_sa x;
    sa_snapshot(sa, &x);
    c->fn(c->ctx, &(struct xfrm_event){.kind = XFRM_EV_AE, .sa = &x, .cause = cause});
    wipe(&x, sizeof x);
}

static void ae_review(struct control *c, struct sa *sa, uint64_t now)
{
    if (sa->larval) return;
    uint64_t out = count_get(&sa->next_seq) - 1 - sa->told.out_seq;
    uint64_t in = count_get(&sa->replay.top) - sa->told.in_seq;
    uint32_t cause = 0;
    if (sa->ae_packets && (out >= sa->ae_packets || in >= sa->ae_packets)) {
        cause = XFRM_AE_BY_PACKETS;
    } else if (sa->ae_timer && (out || in) &&
               now - sa->told.at >= sa->ae_timer * (CONTROL_AE_MS * NSEC_PER_MSEC)) {
        cause = XFRM_AE_BY_TIMER;
    }
    if (!cause) return;
    control_ae_told(c, sa);
    control_tell_ae(c, sa, cause);
}

static void ae_review_all(struct control *c, uint64_t now)
{
    struct sa *sa;
    cds_list_for_each_entry(sa, sad_all(c->db->sad), all)
    {
        if (!sa_is_plain(&sa->conf->x)) ae_review(c, sa, now);
    }
}

uint64_t control_tick(struct control *c)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    uint64_t now = control_mono(c);
    bool ae = c->listened && c->listened(c->listened_ctx, XFRM_EV_AE);
    struct sa *sa;
    struct policy *p;
    unsigned n = 0;

    c->due = ae ? now + CONTROL_AE_MS * NSEC_PER_MSEC : UINT64_MAX;
    while (n++ < TICK_MAX && (sa = sa_first(c)) && sa->due <= now) {
        if (!sa_review(c, sa, now)) continue;
        control_keep_review(c, sa, now);
        control_sa_watch(c, sa);
    }
    if (ae) ae_review_all(c, now);
    while (n++ < TICK_MAX && (p = policy_first(c)) && p->due <= now) {
        if (policy_review(c, p, now)) control_policy_watch(c, p);
    }
    return control_due(c);
}

// ---- what workers report ----

static uint32_t acquire_number(struct control *c)
{
    if (++c->acquire_seq == 0) c->acquire_seq = 1; // 0 would mean: answers nothing
    return c->acquire_seq;
}

static void on_acquire(struct control *c, const struct xfrm_event *ev)
{
    const struct xfrm_tmpl *t = ev->tmpl;
    struct xfrm_sa want = {
        .sel = ev->trigger,
        .saddr = t->saddr,
        .daddr = t->daddr,
        .proto = t->proto,
        .mode = t->mode,
        .family = t->family,
        .reqid = t->reqid,
        .mark = ev->policy->mark,
        .if_id = ev->policy->if_id,
        .larval = true,
        .pcpu = ev->pcpu_given ? ev->pcpu : UINT32_MAX,
        .limit = {.soft_bytes = XFRM_INF,
                  .hard_bytes = XFRM_INF,
                  .soft_packets = XFRM_INF,
                  .hard_packets = XFRM_INF,
                  .hard_add_s = CONTROL_ACQUIRE_S},
    };
    struct sa *before = sad_larval_like(c->db->sad, &want);
    uint64_t same = ev->pcpu_given ? SAME_CPU_NEED_NS : SAME_NEED_NS;
    if (before && control_mono(c) - before->made_mono < same) return;
    if (before) control_sa_remove(c, before);

    want.seq = acquire_number(c);
    struct sa *larval;
    // Listeners are told even if no larval SA can stand for the need (AH, or out of memory).
    IGNORE(control_sa_enter(c, &want, &larval, NULL));
    struct xfrm_event told = *ev;
    told.seq = want.seq;
    c->fn(c->ctx, &told);
}

static void on_mapping(struct control *c, const struct xfrm_event *ev, const struct sa *sa)
{
    struct xfrm_sa x;
    sa_snapshot(sa, &x);
    struct xfrm_event told = *ev;
    told.sa = &x;
    c->fn(c->ctx, &told);
    wipe(&x, sizeof x);
}

void control_worker_event(struct control *c, const struct xfrm_event *ev)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    if (ev->kind == XFRM_EV_ACQUIRE) {
        on_acquire(c, ev);
        return;
    }
    struct xfrm_sa_id id = sad_id(ev->sa);
    struct sa *sa = sad_get(c->db->sad, &id);
    if (!sa) return; // gone meanwhile
    if (ev->kind == XFRM_EV_MAPPING) on_mapping(c, ev, sa);
    if (ev->kind == XFRM_EV_EXPIRE) (void)sa_review(c, sa, control_mono(c));
}
