#include "ike/sa/dynamic.h"

#include <string.h>

static void add(struct ts_list *out, const struct conf_ts *conf, const ip_t *lo, const ip_t *hi)
{
    if (out->n == TS_MAX) return;
    struct ts *t = &out->ts[out->n++];
    *t = (struct ts){.proto = conf->proto, .lo = *lo, .hi = *hi};
    t->port_lo = conf->port_lo;
    t->port_hi = conf->port_hi;
}

static void add_all(struct ts_list *out, const struct conf_ts *conf, uint16_t family)
{
    ip_t lo = {.family = family}, hi = {.family = family};
    memset(hi.b, 0xff, ip_len(family));
    add(out, conf, &lo, &hi);
}

void dynamic_ts(const struct conf_ts *conf, unsigned n, const ip_t *own, struct ts_list *out)
{
    out->n = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!conf[i].dynamic) {
            add(out, &conf[i], &conf[i].lo, &conf[i].hi);
        } else if (own->family != AF_UNSPEC) {
            add(out, &conf[i], own, own);
        } else {
            add_all(out, &conf[i], AF_INET);
            add_all(out, &conf[i], AF_INET6);
        }
    }
}
