#include "cli/xfrm_show.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"

const char *xfrm_show_proto(uint8_t proto, char buf[16])
{
    static const struct {
        uint8_t number;
        const char *name;
    } known[] = {{1, "icmp"}, {6, "tcp"},    {17, "udp"},       {50, "esp"},  {51, "ah"},
                 {47, "gre"}, {108, "comp"}, {58, "ipv6-icmp"}, {132, "sctp"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].number == proto) return known[i].name;
    }
    (void)snprintf(buf, 16, "%u", proto);
    return buf;
}

const char *xfrm_show_mode(uint8_t mode)
{
    switch (mode) {
    case XFRM_TRANSPORT:
        return "transport";
    case XFRM_TUNNEL:
        return "tunnel";
    case XFRM_BEET:
        return "beet";
    case XFRM_IPTFS:
        return "iptfs";
    default:
        return "unknown";
    }
}

// An unset address is shown as the zero address of the selector's family.
static const char *show_prefix(const struct xfrm_selector *s, const prefix_t *p,
                               char buf[PREFIX_TEXT_MAX])
{
    prefix_t shown = *p;
    if (shown.ip.family == AF_UNSPEC) shown.ip.family = s->family;
    if (shown.ip.family == AF_UNSPEC) shown.ip.family = AF_INET;
    return prefix_show(&shown, buf);
}

static void show_ports(struct fields *f, const struct xfrm_selector *s)
{
    bool icmp = s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6;
    if (s->sport_mask) {
        fields_add(f,
                   icmp ? "this ICMP type only (RFC 4301 4.4.1.1)"
                        : "from this port only (RFC 4301 4.4.1.1)",
                   "%s %u", icmp ? "type" : "sport", s->sport);
    }
    if (s->dport_mask) {
        fields_add(f,
                   icmp ? "this ICMP code only (RFC 4301 4.4.1.1)"
                        : "to this port only (RFC 4301 4.4.1.1)",
                   "%s %u", icmp ? "code" : "dport", s->dport);
    }
}

void xfrm_show_selector(struct fields *f, const struct xfrm_selector *s)
{
    char src[PREFIX_TEXT_MAX], dst[PREFIX_TEXT_MAX], proto[16], dev[IF_NAMESIZE];
    fields_add(f, "packets from these addresses ... (RFC 4301 4.4.1.1)", "src %s",
               show_prefix(s, &s->src, src));
    fields_add(f, "... to these (RFC 4301 4.4.1.1)", "dst %s", show_prefix(s, &s->dst, dst));
    if (s->proto) {
        fields_add(f, "of this protocol only (RFC 4301 4.4.1.1)", "proto %s",
                   xfrm_show_proto(s->proto, proto));
    }
    show_ports(f, s);
    if (s->ifindex > 0 && if_indextoname((unsigned)s->ifindex, dev)) {
        fields_add(f, "on this interface only (Linux only)", "dev %s", dev);
    }
}

json_t *xfrm_show_selector_json(const struct xfrm_selector *s)
{
    char src[PREFIX_TEXT_MAX], dst[PREFIX_TEXT_MAX], proto[16];
    json_t *j = json_pack("{s:s, s:s}", "src", show_prefix(s, &s->src, src), "dst",
                          show_prefix(s, &s->dst, dst));
    if (j && s->proto) {
        (void)json_object_set_new(j, "proto", json_string(xfrm_show_proto(s->proto, proto)));
    }
    if (j && s->sport_mask) (void)json_object_set_new(j, "sport", json_integer(s->sport));
    if (j && s->dport_mask) (void)json_object_set_new(j, "dport", json_integer(s->dport));
    return j;
}
