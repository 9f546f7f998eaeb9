#include "ike/exchange/terms_nat.h"

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
