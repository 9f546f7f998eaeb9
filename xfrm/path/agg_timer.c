// agg_timer.c - SAs of mode iptfs with whom a time is running: packets wait for others to go with,
// or payloads for a missing one. An SA may be gone when its time has come, so it is looked up again
// by its identity; what it kept is held.
#include "xfrm/db/counter.h"
#include "xfrm/path/agg_path.h"

void agg_arm(struct worker *w, struct agg *a)
{
    if (a->due < w->agg.due) w->agg.due = a->due;
    if (a->armed) return;
    a->armed = true;
    a->next = w->agg.armed;
    w->agg.armed = agg_hold(a);
}

static struct sa *sa_of(const struct worker *w, const struct agg *a)
{
    struct sa *sa = sad_get(w->db->sad, &a->id);
    return sa && sa->agg == a && !sa_flag(&sa->dead) ? sa : NULL;
}

// Whose they were cannot be shown any more.
static void forget(struct worker *w, struct agg *a)
{
    for (uint32_t i = 0; i < a->in.window; i++) {
        if (a->in.slot[i].seq) count_add(&w->drops[DROP_IPTFS], 1);
        a->in.slot[i].seq = 0;
    }
    a->in.saved = 0;
}

static void fire(struct worker *w, struct agg *a)
{
    struct sa *sa = sa_of(w, a);
    if (a->out.used) {
        if (sa)
            gather_flush(w, sa);
        else
            gather_again(w, a);
    }
    if (!a->in.saved) return;
    if (sa)
        unpack_late(w, sa);
    else
        forget(w, a);
}

uint64_t agg_run(struct worker *w)
{
    if (w->now < w->agg.due) return w->agg.due;
    struct agg *next, *a = w->agg.armed;
    w->agg.armed = NULL;
    w->agg.due = UINT64_MAX;
    for (; a; a = next) {
        bool waits = a->out.used || a->in.saved;
        next = a->next;
        a->armed = false;
        if (waits && a->due > w->now)
            agg_arm(w, a);
        else if (waits)
            fire(w, a);
        agg_drop(a);
    }
    return w->agg.due;
}

void agg_forget_all(struct worker *w)
{
    for (struct agg *a = w->agg.armed, *next; a; a = next) {
        next = a->next;
        a->armed = false;
        agg_drop(a);
    }
    w->agg.armed = NULL;
}
