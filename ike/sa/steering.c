#include "ike/sa/steering.h"

#include "ike/sa/diplomat.h"

static uint32_t next_number(uint32_t *last)
{
    if (++*last >= CONF_EACH_DIR) *last = 1;
    return *last;
}

#define OLD_MARK_MAX 0x00ffffffU // beyond that it was hardly chosen

static bool note_mark(void *arg, const struct xfrm_policy *p)
{
    uint32_t *last = arg;
    bool whole = p->mark.mask == UINT32_MAX && p->mark.value <= OLD_MARK_MAX;
    if (whole && p->mark.value > *last) *last = p->mark.value;
    return true;
}

// Policies that an earlier run has left, and flows that conntrack knows, may be other peers': their
// marks are not given to somebody else.
static void begin_behind_old(struct ike *ike)
{
    const struct xfrm_api *xfrm = &ike->env.xfrm;
    if (ike->marks_looked) return;
    ike->marks_looked = true;
    if (policies_before(&ike->policies))
        IGNORE(xfrm->ops->policy_each(xfrm->ctx, note_mark, &ike->last_mark));
}

// As strongSwan: one number for both directions, unless one of them asks for a number of its own.
static void choose(uint32_t *last, uint32_t *in, uint32_t *out)
{
    bool apart = *in == CONF_EACH_DIR || *out == CONF_EACH_DIR;
    bool for_in = *in >= CONF_EACH_DIR, for_out = *out >= CONF_EACH_DIR;
    if (!for_in && !for_out) return;
    uint32_t number = next_number(last);
    if (for_in) *in = number;
    if (for_in && for_out && apart) number = next_number(last);
    if (for_out) *out = number;
}

static void choose_of_sa(struct ike *ike, struct ike_sa *sa, const struct conf_conn *c,
                         uint32_t *in, uint32_t *out)
{
    bool chosen = c->if_id_in >= CONF_EACH_DIR || c->if_id_out >= CONF_EACH_DIR;
    if (!sa || !chosen || !(sa->if_id_in | sa->if_id_out)) {
        *in = c->if_id_in;
        *out = c->if_id_out;
        choose(&ike->last_if_id, in, out);
        if (!sa) return;
        sa->if_id_in = *in;
        sa->if_id_out = *out;
    }
    *in = sa->if_id_in;
    *out = sa->if_id_out;
}

static struct xfrm_mark mark_to_set(const struct conf_mark *m, const struct xfrm_mark *same)
{
    return m->same ? *same : (struct xfrm_mark){m->value, m->mask};
}

// strongSwan's plugin connmark: replies take the SA that the flow came in by.
static bool wants_flows(const struct ike *ike, const struct conf_child *f)
{
    bool marks = f->mark_in && f->mark_out;
    return ike->opt.connmark && !ike->opt.executor_is_kernel && f->mode == CONF_TRANSPORT && marks;
}

static bool gives_other_mark(const struct conf_child *f)
{
    const struct conf_mark *m = &f->input_mark;
    if (m->same) return f->mark_in != f->mark_out || f->mark_in == CONF_EACH_DIR;
    return m->value && m->value != f->mark_out;
}

struct steering steering_make(struct ike *ike, struct ike_sa *sa, const struct conn *conn,
                              const struct conf_child *f)
{
    const struct env *env = &ike->env;
    uint32_t sa_in, sa_out;
    struct steering s = {
        .in = {f->mark_in, f->mark_in_mask},
        .out = {f->mark_out, f->mark_out_mask},
        .if_id_in = f->if_id_in,
        .if_id_out = f->if_id_out,
    };
    if (f->mark_in >= CONF_EACH_DIR || f->mark_out >= CONF_EACH_DIR) begin_behind_old(ike);
    choose(&ike->last_mark, &s.in.value, &s.out.value);
    choose(&ike->last_if_id, &s.if_id_in, &s.if_id_out);
    choose_of_sa(ike, sa, &conn->conf, &sa_in, &sa_out);
    if (!s.if_id_in) s.if_id_in = sa_in;
    if (!s.if_id_out) s.if_id_out = sa_out;
    if (f->mark_in_sa) s.sa_in = s.in;
    s.set_in = mark_to_set(&f->input_mark, &s.in);
    s.set_out = mark_to_set(&f->output_mark, &s.out);
    s.flows = wants_flows(ike, f);
    if (s.flows) s.set_in = s.out;
    if (f->interface && env->device) s.device = env->device(env->ctx, f->interface);
    return s;
}

err_t steering_check(const struct ike *ike, const struct conf_child *f, struct why *why)
{
    const struct env *env = &ike->env;
    const char *reason, *key = config_kernel_only(f, &reason);
    if (key && !ike->opt.executor_is_kernel) {
        return why_not(why, ERR_UNSUPPORTED,
                       "%s of %.60s is nothing that pavise-xfrmd can do: %s (executor = kernel in "
                       "section pavise)",
                       key, f->name, reason);
    }
    if (wants_flows(ike, f) && gives_other_mark(f)) {
        return why_not(why, ERR_UNSUPPORTED,
                       "set_mark_in of %.60s is not mark_out, which the plugin connmark gives to "
                       "what comes in",
                       f->name);
    }
    if (!f->interface || (env->device && env->device(env->ctx, f->interface))) return ERR_OK;
    return why_not(why, ERR_NOTFOUND, "there is no device %.30s (interface of %.60s)", f->interface,
                   f->name);
}

void steering_policy(const struct steering *s, const struct conf_child *f, struct xfrm_policy *p)
{
    bool out = p->dir == XFRM_OUT;
    bool shunt = f->mode == CONF_PASS || f->mode == CONF_DROP;
    p->mark = out ? s->out : s->in;
    p->if_id = out ? s->if_id_out : s->if_id_in;
    if (out || shunt) p->sel.ifindex = (int32_t)s->device;
    if (f->icmp) p->flags |= XFRM_POLICY_ICMP;
    if (s->flows) p->flags |= XFRM_POLICY_FLOWS;
}
