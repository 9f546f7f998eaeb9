#include "xfrm/path/quoted.h"

#include <netinet/in.h>

#include "xfrm/path/ip_head.h"
#include "xfrm/path/stages.h"

#define ICMP_HEADER 8 // what stands before the quote
#define ICMP4_UNREACHABLE 3
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAMETER 12
#define ICMP6_INFORMATIONAL 128 // and all above
#define IP4_OFFSET 0x1fff

bool quoted_is_there(const struct flow *f)
{
    if (f->fragment) return false;
    if (f->proto == IPPROTO_ICMPV6) return f->sport < ICMP6_INFORMATIONAL;
    return f->proto == IPPROTO_ICMP &&
           (f->sport == ICMP4_UNREACHABLE || f->sport == ICMP4_TIME_EXCEEDED ||
            f->sport == ICMP4_PARAMETER);
}

// Ports are turned round like addresses; type and code of ICMP have no other side.
static bool read_transport(struct flow *f, const uint8_t *at, uint32_t left)
{
    bool icmp = f->proto == IPPROTO_ICMP || f->proto == IPPROTO_ICMPV6;
    bool ports = flow_has_ports(f->proto);
    if (f->fragment || (!icmp && !ports)) return true;
    if (left < (ports ? 4 : 2)) return false;
    f->sport = ports ? get16(at + 2) : at[0];
    f->dport = ports ? get16(at) : at[1];
    return true;
}

static bool read_quote(const uint8_t *at, uint32_t left, struct flow *out)
{
    struct ip_split s;
    if (left < IP4_HEADER || !ip_split(at, left, true, &s)) return false;
    bool v6 = ip_is_v6(at);
    *out = (struct flow){.src = ip_head_dst(at), .dst = ip_head_src(at), .proto = s.next};
    out->fragment = v6 ? s.fragment : (get16(at + 6) & IP4_OFFSET) != 0;
    return read_transport(out, at + s.len, left - s.len);
}

bool quoted_reply(const struct pkt *p, struct flow *out)
{
    struct ip_split s;
    if (!quoted_is_there(&p->flow) || !ip_split(p->at, p->len, true, &s)) return false;
    if (p->len < s.len + ICMP_HEADER) return false;
    if (!read_quote(p->at + s.len + ICMP_HEADER, p->len - s.len - ICMP_HEADER, out)) return false;
    return ip_eq(&out->dst, &p->flow.dst);
}

struct policy *quoted_policy(const struct worker *w, enum xfrm_dir dir, const struct pkt *p,
                             uint32_t mark)
{
    struct flow reply;
    if (!quoted_reply(p, &reply)) return NULL;
    const struct spd_ask ask = dir == XFRM_OUT ? classify_ask(w, p) // the reply has its destination
                                               : (struct spd_ask){.dir = dir, .mark = mark};
    struct policy *policy = spd_find(w->db->spd, &ask, &reply);
    return policy && policy->conf.flags & XFRM_POLICY_ICMP ? policy : NULL;
}
