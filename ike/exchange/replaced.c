#include "ike/exchange/replaced.h"

#include <string.h>

#include "ike/exchange/close.h"
#include "ike/sa/child_sa.h"

// A connection before and after.
struct change {
    const struct conn *old, *now; // now NULL: unloaded
    bool same;                    // but for its children
};

static bool is_started(const struct conf_child *f)
{
    bool start = f->start_action == CONF_START || f->start_action == CONF_TRAP_START;
    return start && !trap_is_shunt(f);
}

// Was the child started, and is it not what it was?
static bool goes(const struct change *ch, const struct conf_child *f)
{
    const struct conf_child *now = ch->same ? conn_child(ch->now, f->name) : NULL;
    return is_started(f) && !(now && now->print == f->print);
}

static bool starts_any(const struct conn *c)
{
    for (unsigned i = 0; i < c->conf.child_n; i++) {
        if (is_started(&c->conf.child[i])) return true;
    }
    return false;
}

static bool child_goes(const struct change *ch, const struct child_sa *c)
{
    const struct conf_child *f = conn_child(ch->old, c->conf->name);
    return f && child_sa_in_use(c) && goes(ch, f);
}

static bool has_others(const struct change *ch, const struct ike_sa *sa)
{
    for (const struct child_sa *c = sa->children; c; c = c->next) {
        if (child_sa_in_use(c) && !child_goes(ch, c)) return true;
    }
    return false;
}

static void tell_why(const struct change *ch, const struct ike_sa *sa, const char *child)
{
    tell(sa->ike, sa, LOG_INFO, "closing %s%.80s, which start_action has started: %.80s %s",
         child ? "child SA " : "the IKE SA", child ? child : "", ch->old->conf.name,
         ch->now ? "says something else now" : "is in force no more");
}

static void close_children(const struct change *ch, struct ike_sa *sa)
{
    for (struct child_sa *c = sa->children, *next; c; c = next) {
        next = c->next;
        if (!child_goes(ch, c)) continue;
        tell_why(ch, sa, c->conf->name);
        close_child_ask(c, CLOSED_ASKED, NULL);
    }
}

static bool any_child_goes(const struct change *ch, const struct ike_sa *sa)
{
    for (const struct child_sa *c = sa->children; c; c = c->next) {
        if (child_goes(ch, c)) return true;
    }
    return false;
}

// Its children have come and gone, or are still to come.
static bool is_left_over(const struct change *ch, const struct ike_sa *sa)
{
    return sa->state == IKE_UP && !ch->same && !has_others(ch, sa);
}

static void close_of(const struct change *ch, struct ike_sa *sa)
{
    bool opening = sa->state < IKE_UP && sa->initiator;
    if (!ike_sa_live(sa) || sa->rekeyed || sa->elder) return;
    if (!opening && !any_child_goes(ch, sa) && !is_left_over(ch, sa)) return;
    if (has_others(ch, sa) || (ch->same && starts_any(ch->now) && !opening)) {
        close_children(ch, sa);
        return;
    }
    tell_why(ch, sa, NULL);
    close_ike_ask(sa, CLOSED_ASKED, 0, NULL);
}

static void change_over(struct ike *ike, const struct change *ch)
{
    const struct conf_conn *old = &ch->old->conf;
    unsigned n = 0;
    for (unsigned i = 0; i < old->child_n; i++) {
        if (!goes(ch, &old->child[i])) continue;
        later_cancel(&ike->later, old->name, old->child[i].name);
        n++;
    }
    for (struct ike_sa *sa = n ? ike_sa_of_name(ike, old->name, NULL) : NULL, *next; sa;
         sa = next) {
        next = ike_sa_of_name(ike, old->name, sa);
        close_of(ch, sa);
    }
}

void replaced_close(struct ike *ike, const struct conns *fresh)
{
    for (const struct conn *old = ike->conns.first; old; old = old->next) {
        const struct conn *now = conns_named(fresh, old->conf.name);
        if (now && now->conf.since && now->conf.since == old->conf.since) continue;
        bool same = now && now->conf.print == old->conf.print;
        change_over(ike, &(struct change){.old = old, .now = now, .same = same});
    }
}
