#include "ike/exchange/terms_nat.h"

#include "ike/sa/child_sa.h"
#include "ike/sa/diplomat.h"

// Every selector of a single address means the host itself.
static void become(struct ts_list *l, const ip_t *ip)
{
    for (unsigned i = 0; i < l->n; i++) {
        struct ts *t = &l->ts[i];
        if (!ip_eq(&t->lo, &t->hi) || t->lo.family != ip->family) continue;
        t->lo = t->hi = *ip;
    }
}

void terms_nat_in(const struct ike_sa *sa, struct ts_list *tsi, struct ts_list *tsr)
{
    if (sa->nat_remote) become(tsi, &sa->remote.ip);
    if (sa->nat_local) become(tsr, &sa->local.ip);
}

void terms_nat_back(const struct ike_sa *sa, struct ts_list *tsi, struct ts_list *tsr)
{
    if (sa->nat_local) become(tsi, &sa->local.ip);
    if (sa->nat_remote) become(tsr, &sa->remote.ip);
}

static bool meet(const struct ts_list *a, const struct ts_list *b)
{
    struct ts_list both;
    return ts_narrow(a, b, &both) == ERR_OK;
}

// Then whatever gives the marks tells their packets apart: the plugin connmark, or the host's
// rules.
static bool marked_apart(const struct child_sa *c, const struct conf_child *f)
{
    bool both = c->steering.in.value && c->steering.out.value && f->mark_in && f->mark_out;
    bool chosen = f->mark_out >= CONF_EACH_DIR;
    return both && (chosen || f->mark_out != c->steering.out.value);
}

const struct ike_sa *terms_nat_rival(const struct ike_sa *sa, const struct conf_child *f,
                                     const struct ts_list *tsi, const struct ts_list *tsr)
{
    const ip_t *nat = &sa->remote.ip;
    for (struct ike_sa *other = NULL; (other = ike_sa_of_host(sa->ike, nat, other));) {
        // The same peer once more takes the place of what it had.
        bool same = id_eq(ike_sa_whose(other), ike_sa_whose(sa));
        if (other == sa || same || !other->nat_remote) continue;
        for (const struct child_sa *c = other->children; c; c = c->next) {
            if (c->mode != XFRM_TRANSPORT || !child_sa_in_use(c)) continue;
            if (marked_apart(c, f)) continue;
            if (meet(c->remote_ts, tsi) && meet(c->local_ts, tsr)) return other;
        }
    }
    return NULL;
}
