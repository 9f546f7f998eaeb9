// ts_show.c - traffic selectors as people read them, in the notation of `swanctl --list-sas`.
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>

#include "ike/codec/payloads.h"

// A terminated string that stops growing when it is full.
struct line {
    char *at;
    size_t left; // the terminator included
};

static void line_add(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void line_add(struct line *l, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(l->at, l->left, fmt, ap);
    va_end(ap);
    size_t took = n < 0 ? 0 : (size_t)n < l->left ? (size_t)n : l->left - 1;
    l->at += took;
    l->left -= took;
}

static void show_addresses(struct line *l, const struct ts *t)
{
    prefix_t p;
    char a[PREFIX_TEXT_MAX], b[IP_TEXT_MAX];
    if (prefix_from_range(&t->lo, &t->hi, &p)) {
        line_add(l, "%s", prefix_show(&p, a));
        return;
    }
    line_add(l, "%s..%s", ip_show(&t->lo, a), ip_show(&t->hi, b));
}

static void show_proto(struct line *l, uint8_t proto)
{
    switch (proto) {
    case IPPROTO_ICMP:
        line_add(l, "icmp");
        break;
    case IPPROTO_TCP:
        line_add(l, "tcp");
        break;
    case IPPROTO_UDP:
        line_add(l, "udp");
        break;
    case IPPROTO_ICMPV6:
        line_add(l, "ipv6-icmp");
        break;
    case IPPROTO_SCTP:
        line_add(l, "sctp");
        break;
    default:
        line_add(l, "%u", proto);
    }
}

// ICMP: type in the high, code in the low byte; "8" is all codes of type 8.
static void show_icmp(struct line *l, uint16_t lo, uint16_t hi)
{
    unsigned type = lo >> 8, code = lo & 0xff, last = hi >> 8, last_code = hi & 0xff;
    bool all_codes = code == 0 && last_code == 0xff;
    line_add(l, all_codes ? "/%u" : "/%u(%u)", type, code);
    if (all_codes ? type == last : lo == hi) return;
    line_add(l, all_codes ? "-%u" : "-%u(%u)", last, last_code);
}

static void show_ports(struct line *l, const struct ts *t)
{
    bool icmp = t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6;
    if (t->port_lo == 0 && t->port_hi == UINT16_MAX) return;
    if (t->port_lo > t->port_hi) {
        line_add(l, "/OPAQUE");
    } else if (icmp) {
        show_icmp(l, t->port_lo, t->port_hi);
    } else if (t->port_lo == t->port_hi) {
        line_add(l, "/%u", t->port_lo);
    } else {
        line_add(l, "/%u-%u", t->port_lo, t->port_hi);
    }
}

const char *ts_show(const struct ts_list *list, char *buf, size_t cap)
{
    struct line l = {buf, cap};
    buf[0] = 0;
    for (unsigned i = 0; i < list->n; i++) {
        const struct ts *t = &list->ts[i];
        bool any = t->port_lo == 0 && t->port_hi == UINT16_MAX;
        if (i) line_add(&l, " ");
        show_addresses(&l, t);
        if (t->proto == 0 && any) continue;
        line_add(&l, "[");
        show_proto(&l, t->proto);
        show_ports(&l, t);
        line_add(&l, "]");
    }
    return buf;
}
