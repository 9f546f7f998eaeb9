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

static void add_host(struct ts_list *out, const struct conf_ts *conf, const ip_t *ip)
{
    if (ip->family == AF_UNSPEC) {
        add_all(out, conf, AF_INET);
        add_all(out, conf, AF_INET6);
    } else if (ip_is_any(ip)) {
        add_all(out, conf, ip->family);
    } else {
        add(out, conf, ip, ip);
    }
}

void dynamic_ts_hosts(const struct conf_ts *conf, unsigned n, const struct hosts *own,
                      struct ts_list *out)
{
    out->n = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!conf[i].dynamic) add(out, &conf[i], &conf[i].lo, &conf[i].hi);
        for (unsigned k = 0; conf[i].dynamic && k < own->n; k++) {
            add_host(out, &conf[i], &own->ip[k]);
        }
    }
}

void dynamic_ts(const struct conf_ts *conf, unsigned n, const ip_t *own, struct ts_list *out)
{
    struct hosts one = {.n = 1, .ip = {*own}};
    dynamic_ts_hosts(conf, n, &one, out);
}
