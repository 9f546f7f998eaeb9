// control_mark.c - marks of packets: whoever adds a policy or an SA that needs one hears at once if
// packets cannot come, or go on, with it. And what SAs need in the host beside that.
#include "xfrm/control_part.h"

void control_on_marks(struct control *c, const struct control_marks *m)
{
    c->marks = *m;
}

// ---- SAs ----

// UPDSA leaves the mark alone where it says neither of the two, as in the kernel (sa_change).
static bool is_same(const struct xfrm_sa *now)
{
    return !(now->output_mark.value | now->output_mark.mask | now->if_id);
}

static err_t hold_mark(const struct control *c, const struct xfrm_sa *x, const struct xfrm_sa *now,
                       uint32_t *held, struct why *why)
{
    const struct xfrm_mark *set = is_same(now) ? &x->output_mark : &now->output_mark;
    const uint32_t mark = set->value & set->mask;
    *held = 0;
    if (!c->marks.give || x->larval || mark == 0) return ERR_OK;
    err_t e = c->marks.give(c->marks.ctx, x, mark, why);
    if (e == ERR_NOTFOUND) return ERR_OK;
    if (e == ERR_OK) *held = mark;
    return e;
}

static void release(const struct control *c, uint16_t family, const struct sa_held *held)
{
    control_source_release(c, family, held->source);
    if (held->mark && c->marks.ungive) c->marks.ungive(c->marks.ctx, held->mark);
}

err_t control_sa_hold(const struct control *c, const struct xfrm_sa *x, const struct xfrm_sa *now,
                      struct sa_held *held, struct why *why)
{
    struct sa_held h = {0};
    *held = h;
    TRY(control_source_hold(c, x, &now->encap, &h.source, why));
    err_t e = hold_mark(c, x, now, &h.mark, why);
    if (e != ERR_OK) {
        control_source_release(c, x->family, h.source);
        return e;
    }
    *held = h;
    return ERR_OK;
}

void control_sa_release(const struct control *c, struct sa *sa)
{
    if (!sa) return;
    release(c, sa->conf->x.family, &sa->held);
    sa->held = (struct sa_held){0};
}

// ---- policies ----

// Inbound the host has not marked the packet yet: the database knows which marks it may get.
err_t control_policy_hold(struct control *c, const struct xfrm_policy *p, struct why *why)
{
    if (p->mark.mask == 0) return ERR_OK;
    if (p->dir != XFRM_OUT) {
        if (db_mark_hold(c->db, p->mark.value)) return ERR_OK;
        return why_not(why, ERR_LIMIT, "inbound policies have %u different marks already",
                       DB_MARKS_MAX);
    }
    return c->marks.lead ? c->marks.lead(c->marks.ctx, p, why) : ERR_OK;
}

void control_policy_release(struct control *c, const struct xfrm_policy *p)
{
    if (p->mark.mask == 0) return;
    if (p->dir != XFRM_OUT)
        db_mark_drop(c->db, p->mark.value);
    else if (c->marks.unlead)
        c->marks.unlead(c->marks.ctx, p);
}
