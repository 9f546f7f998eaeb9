#include "daemon/xfrmd_show.h"

json_t *show_ip(const ip_t *ip)
{
    char buf[IP_TEXT_MAX];
    return json_string(ip_show(ip, buf));
}

json_t *show_prefix(const prefix_t *p)
{
    char buf[PREFIX_TEXT_MAX];
    return json_string(prefix_show(p, buf));
}

json_t *show_selector(const struct xfrm_selector *s)
{
    json_t *j = json_pack("{s:o, s:o, s:i}", "src", show_prefix(&s->src), "dst",
                          show_prefix(&s->dst), "proto", s->proto);
    if (s->sport_mask) (void)json_object_set_new(j, "sport", json_integer(s->sport));
    if (s->dport_mask) (void)json_object_set_new(j, "dport", json_integer(s->dport));
    return j;
}

const char *show_mode(uint8_t mode)
{
    switch (mode) {
    case XFRM_TUNNEL:
        return "tunnel";
    case XFRM_BEET:
        return "beet";
    case XFRM_IPTFS:
        return "iptfs";
    default:
        return "transport";
    }
}

const char *show_proto(uint8_t proto)
{
    return proto == XFRM_PROTO_ESP    ? "esp"
           : proto == XFRM_PROTO_AH   ? "ah"
           : proto == XFRM_PROTO_COMP ? "comp"
                                      : "ip";
}

const char *show_dir(uint8_t dir)
{
    static const char *const dirs[] = {"in", "out", "fwd"};
    return dirs[dir % XFRM_DIRS];
}

const char *show_action(uint8_t action, unsigned templates)
{
    return action == XFRM_BLOCK ? "block" : templates ? "protect" : "pass in clear";
}
