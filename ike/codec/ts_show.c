// ts_show.c - traffic selectors as people read them, in the notation of `swanctl --list-sas`.
#include <netinet/in.h>

#include "base/text.h"
#include "ike/codec/payloads.h"

static void show_addresses(struct clip *l, const struct ts *t)
{
    prefix_t p;
    char a[PREFIX_TEXT_MAX], b[IP_TEXT_MAX];
    if (prefix_from_range(&t->lo, &t->hi, &p)) {
        clip_add(l, "%s", prefix_show(&p, a));
        return;
    }
    clip_add(l, "%s..%s", ip_show(&t->lo, a), ip_show(&t->hi, b));
}

static void show_proto(struct clip *l, uint8_t proto)
{
    switch (proto) {
    case IPPROTO_ICMP:
        clip_add(l, "icmp");
        break;
    case IPPROTO_TCP:
        clip_add(l, "tcp");
        break;
    case IPPROTO_UDP:
        clip_add(l, "udp");
        break;
    case IPPROTO_ICMPV6:
        clip_add(l, "ipv6-icmp");
        break;
    case IPPROTO_SCTP:
        clip_add(l, "sctp");
        break;
    default:
        clip_add(l, "%u", proto);
    }
}

// ICMP: type in the high, code in the low byte; "8" is all codes of type 8.
static void show_icmp(struct clip *l, uint16_t lo, uint16_t hi)
{
    unsigned type = lo >> 8, code = lo & 0xff, last = hi >> 8, last_code = hi & 0xff;
    bool all_codes = code == 0 && last_code == 0xff;
    clip_add(l, all_codes ? "/%u" : "/%u(%u)", type, code);
    if (all_codes ? type == last : lo == hi) return;
    clip_add(l, all_codes ? "-%u" : "-%u(%u)", last, last_code);
}

static void show_ports(struct clip *l, const struct ts *t)
{
    bool icmp = t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6;
    if (t->port_lo == 0 && t->port_hi == UINT16_MAX) return;
    if (t->port_lo > t->port_hi) {
        clip_add(l, "/OPAQUE");
    } else if (icmp) {
        show_icmp(l, t->port_lo, t->port_hi);
    } else if (t->port_lo == t->port_hi) {
        clip_add(l, "/%u", t->port_lo);
    } else {
        clip_add(l, "/%u-%u", t->port_lo, t->port_hi);
    }
}

const char *ts_show(const struct ts_list *list, char *buf, size_t cap)
{
    struct clip l = clip_on(buf, cap);
    for (unsigned i = 0; i < list->n; i++) {
        const struct ts *t = &list->ts[i];
        bool any = t->port_lo == 0 && t->port_hi == UINT16_MAX;
        if (i) clip_add(&l, " ");
        show_addresses(&l, t);
        if (t->proto == 0 && any) continue;
        clip_add(&l, "[");
        show_proto(&l, t->proto);
        show_ports(&l, t);
        clip_add(&l, "]");
    }
    return buf;
}
