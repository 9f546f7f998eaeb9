// ts_show.c - traffic selectors as people read them, in the notation of `swanctl --list-sas`.
#include <netdb.h>
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

// ICMP: type in the high, code in the low byte; "8" is all codes of type 8, or code 0 alone, which
// is all that most types have (swanctl does not tell it, either).
static void show_icmp(struct clip *l, uint16_t lo, uint16_t hi)
{
    unsigned type = lo >> 8, code = lo & 0xff, last = hi >> 8, last_code = hi & 0xff;
    bool plain = code == 0 && (last_code == 0xff || lo == hi);
    clip_add(l, plain ? "/%u" : "/%u(%u)", type, code);
    if (plain ? type == last : lo == hi) return;
    clip_add(l, plain ? "-%u" : "-%u(%u)", last, last_code);
}

// By its name in services(5), where it has one.
static void show_service(struct clip *l, const struct ts *t)
{
    char buf[1024];
    struct servent entry, *found = NULL;
    const char *proto = t->proto == IPPROTO_TCP ? "tcp" : t->proto == IPPROTO_UDP ? "udp" : NULL;
    const int port = htons(t->port_lo);
    if (proto) (void)getservbyport_r(port, proto, &entry, buf, sizeof buf, &found);
    if (found)
        clip_add(l, "/%s", found->s_name);
    else
        clip_add(l, "/%u", t->port_lo);
}

static void show_ports(struct clip *l, const struct ts *t, bool names)
{
    bool icmp = t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6;
    if (t->port_lo == 0 && t->port_hi == UINT16_MAX) return;
    if (t->port_lo > t->port_hi) {
        clip_add(l, "/OPAQUE");
    } else if (icmp) {
        show_icmp(l, t->port_lo, t->port_hi);
    } else if (t->port_lo == t->port_hi && names) {
        show_service(l, t);
    } else if (t->port_lo == t->port_hi) {
        clip_add(l, "/%u", t->port_lo);
    } else {
        clip_add(l, "/%u-%u", t->port_lo, t->port_hi);
    }
}

static const char *show(const struct ts_list *list, bool names, char *buf, size_t cap)
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
        show_ports(&l, t, names);
        clip_add(&l, "]");
    }
    return buf;
}

const char *ts_show(const struct ts_list *list, char *buf, size_t cap)
{
    return show(list, false, buf, cap);
}

const char *ts_show_services(const struct ts_list *list, char *buf, size_t cap)
{
    return show(list, true, buf, cap);
}
