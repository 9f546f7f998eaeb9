#include "netlink/part.h"

#include <arpa/inet.h>
#include <string.h>

xfrm_address_t part_address(const ip_t *a)
{
    xfrm_address_t u = {0};
    memcpy(&u, a->b, ip_len(a->family));
    return u;
}

ip_t part_ip(uint16_t family, const xfrm_address_t *a)
{
    return ip_from(family, a);
}

void part_selector(const struct xfrm_selector *s, struct uapi_selector *out)
{
    memset(out, 0, sizeof *out); // padding goes out too
    out->daddr = part_address(&s->dst.ip);
    out->saddr = part_address(&s->src.ip);
    out->dport = htons(s->dport);
    out->dport_mask = htons(s->dport_mask);
    out->sport = htons(s->sport);
    out->sport_mask = htons(s->sport_mask);
    out->family = s->family;
    out->prefixlen_d = s->dst.len;
    out->prefixlen_s = s->src.len;
    out->proto = s->proto;
    out->ifindex = s->ifindex;
    out->user = s->user;
}

err_t part_selector_read(const struct uapi_selector *u, struct xfrm_selector *out, struct why *why)
{
    if (u->family != AF_UNSPEC && !ip_len(u->family)) {
        return why_not(why, ERR_SYNTAX, "selector: address family %u is neither IPv4 nor IPv6",
                       u->family);
    }
    unsigned most = u->family ? ip_bits(u->family) : 128;
    if (u->prefixlen_s > most || u->prefixlen_d > most) {
        return why_not(why, ERR_RANGE, "selector: prefix /%u is longer than %u",
                       u->prefixlen_s > most ? u->prefixlen_s : u->prefixlen_d, most);
    }
    *out = (struct xfrm_selector){
        .family = u->family,
        .src = {part_ip(u->family, &u->saddr), u->prefixlen_s},
        .dst = {part_ip(u->family, &u->daddr), u->prefixlen_d},
        .sport = ntohs(u->sport),
        .sport_mask = ntohs(u->sport_mask),
        .dport = ntohs(u->dport),
        .dport_mask = ntohs(u->dport_mask),
        .proto = u->proto,
        .ifindex = u->ifindex,
        .user = u->user,
    };
    return ERR_OK;
}

struct xfrm_lifetime_cfg part_limit(const struct xfrm_lifetime *l)
{
    return (struct xfrm_lifetime_cfg){
        .soft_byte_limit = l->soft_bytes,
        .hard_byte_limit = l->hard_bytes,
        .soft_packet_limit = l->soft_packets,
        .hard_packet_limit = l->hard_packets,
        .soft_add_expires_seconds = l->soft_add_s,
        .hard_add_expires_seconds = l->hard_add_s,
        .soft_use_expires_seconds = l->soft_use_s,
        .hard_use_expires_seconds = l->hard_use_s,
    };
}

struct xfrm_lifetime part_limit_read(const struct xfrm_lifetime_cfg *u)
{
    return (struct xfrm_lifetime){
        .soft_bytes = u->soft_byte_limit,
        .hard_bytes = u->hard_byte_limit,
        .soft_packets = u->soft_packet_limit,
        .hard_packets = u->hard_packet_limit,
        .soft_add_s = u->soft_add_expires_seconds,
        .hard_add_s = u->hard_add_expires_seconds,
        .soft_use_s = u->soft_use_expires_seconds,
        .hard_use_s = u->hard_use_expires_seconds,
    };
}

struct xfrm_lifetime_cur part_current(const struct xfrm_current *c)
{
    return (struct xfrm_lifetime_cur){c->bytes, c->packets, c->add_time, c->use_time};
}

struct xfrm_current part_current_read(const struct xfrm_lifetime_cur *u)
{
    return (struct xfrm_current){u->bytes, u->packets, u->add_time, u->use_time};
}

void part_mark_put(struct message *m, const struct xfrm_mark *mark, uint32_t if_id)
{
    struct uapi_mark u = {.v = mark->value, .m = mark->mask};
    if (u.v | u.m) message_put(m, XFRMA_MARK, &u, sizeof u);
    if (if_id) message_put_u32(m, XFRMA_IF_ID, if_id);
}

struct xfrm_mark part_mark_read(const struct attrs *a)
{
    struct uapi_mark u;
    (void)attrs_copy(a, XFRMA_MARK, &u, sizeof u);
    return (struct xfrm_mark){u.v, u.m};
}

void part_encap_put(struct message *m, const struct xfrm_encap *e)
{
    if (!e->type) return;
    struct xfrm_encap_tmpl u;
    memset(&u, 0, sizeof u);
    u.encap_type = e->type;
    u.encap_sport = htons(e->sport);
    u.encap_dport = htons(e->dport);
    u.encap_oa = part_address(&e->oa);
    message_put(m, XFRMA_ENCAP, &u, sizeof u);
}

bool part_encap_read(const struct attrs *a, uint16_t family, struct xfrm_encap *out)
{
    struct xfrm_encap_tmpl u;
    if (!attrs_copy(a, XFRMA_ENCAP, &u, sizeof u)) return false;
    *out = (struct xfrm_encap){u.encap_type, ntohs(u.encap_sport), ntohs(u.encap_dport),
                               part_ip(family, &u.encap_oa)};
    return true;
}

void part_type_put(struct message *m, uint8_t type)
{
    struct xfrm_userpolicy_type u;
    memset(&u, 0, sizeof u);
    u.type = type;
    message_put(m, XFRMA_POLICY_TYPE, &u, sizeof u);
}

err_t part_type_read(const struct attrs *a, uint8_t *type, struct why *why)
{
    struct xfrm_userpolicy_type u;
    (void)attrs_copy(a, XFRMA_POLICY_TYPE, &u, sizeof u);
    if (u.type != XFRM_POLICY_TYPE_MAIN && u.type != XFRM_POLICY_TYPE_SUB) {
        return why_not(why, ERR_SYNTAX, "policy type %u is neither main nor sub", u.type);
    }
    *type = u.type;
    return ERR_OK;
}
