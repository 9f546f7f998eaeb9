// xfrm_policy.c - policies: which packets must be protected, and how.
#include <stdio.h>

#include "cli/json.h"
#include "cli/xfrm_show.h"

static const char *dir_name(uint8_t dir)
{
    static const char *const names[XFRM_DIRS] = {
        [XFRM_IN] = "in", [XFRM_OUT] = "out", [XFRM_FWD] = "fwd"};
    return dir < XFRM_DIRS ? names[dir] : "unknown";
}

static const char *dir_meaning(uint8_t dir)
{
    static const char *const meanings[XFRM_DIRS] = {
        [XFRM_IN] = "for packets that come in, to this host (RFC 4301 4.4.1)",
        [XFRM_OUT] = "for packets that go out (RFC 4301 4.4.1)",
        [XFRM_FWD] = "for packets that come in, to hosts behind this one (RFC 4301 4.4.1)"};
    return dir < XFRM_DIRS ? meanings[dir] : NULL;
}

static void show_tmpl(struct fields *f, const struct xfrm_tmpl *t)
{
    char src[IP_TEXT_MAX], dst[IP_TEXT_MAX], proto[16];
    ip_t zero = {.family = t->family ? t->family : AF_INET};
    fields_line(f, "\t");
    fields_add(f, "template: the SA that must be used runs from here ... (RFC 4301 4.4.1.2)",
               "tmpl src %s", ip_show(t->saddr.family ? &t->saddr : &zero, src));
    fields_add(f, "... to here (RFC 4301 4.4.1.2)", "dst %s",
               ip_show(t->daddr.family ? &t->daddr : &zero, dst));
    fields_end(f);
    fields_line(f, "\t\t");
    fields_add(f, "protects with this protocol (RFC 4301 4.4.1.2)", "proto %s",
               xfrm_show_proto(t->proto, proto));
    if (t->spi) fields_add(f, "this very SA (RFC 4301 4.1)", "spi 0x%08x", t->spi);
    fields_add(f, "and is an SA of this number (Linux only)", "reqid %u", t->reqid);
    fields_add(f,
               t->mode == XFRM_TUNNEL  ? "around a whole packet (RFC 4301 3.2)"
               : t->mode == XFRM_IPTFS ? "around packets put together and cut (RFC 9347)"
                                       : "inside the packet (RFC 4301 3.2)",
               "mode %s", xfrm_show_mode(t->mode));
    fields_end(f);
    if (!t->optional) return;
    fields_line(f, "\t\t");
    fields_add(f, "used if it is there (Linux only)", "level use");
    fields_end(f);
}

static const char *action_meaning(const struct xfrm_policy *p)
{
    if (p->action == XFRM_BLOCK) return "these packets are dropped (RFC 4301 4.4.1)";
    return p->tmpl_count ? "the main list of policies (Linux only)"
                         : "no template: these packets pass in clear (RFC 4301 4.4.1)";
}

void xfrm_show_policy(struct fields *f, const struct xfrm_policy *p)
{
    fields_line(f, "");
    xfrm_show_selector(f, &p->sel);
    fields_end(f);
    fields_line(f, "\t");
    fields_add(f, dir_meaning(p->dir), "dir %s", dir_name(p->dir));
    if (p->action == XFRM_BLOCK) fields_add(f, action_meaning(p), "action block");
    fields_add(f, "of several that fit the smallest number wins (RFC 4301 4.4.1)", "priority %u",
               p->priority);
    fields_add(
        f, p->action == XFRM_BLOCK ? "the main list of policies (Linux only)" : action_meaning(p),
        "ptype %s", p->type ? "sub" : "main");
    if (p->flags & 1) fields_add(f, "may be overridden by a socket (Linux only)", "flag localok");
    if (p->flags & 2) fields_add(f, "ICMP errors count as their packets (RFC 4301 6)", "flag icmp");
    if (p->flags & 4)
        fields_add(f, "each CPU asks for SAs of its own (RFC 9611)", "flag cpu-acquire");
    fields_end(f);
    if (p->mark.value || p->mark.mask) {
        fields_line(f, "\t");
        fields_add(f, "only packets with this firewall mark (Linux only)", "mark 0x%x/0x%x",
                   p->mark.value, p->mark.mask);
        fields_end(f);
    }
    for (unsigned i = 0; i < p->tmpl_count && i < XFRM_TMPL_MAX; i++) show_tmpl(f, &p->tmpl[i]);
    if (!p->if_id) return;
    fields_line(f, "\t");
    fields_add(f, "of the XFRM interface of this number (Linux only)", "if_id 0x%x", p->if_id);
    fields_end(f);
}

static json_t *tmpl_json(const struct xfrm_tmpl *t)
{
    char src[IP_TEXT_MAX], dst[IP_TEXT_MAX], proto[16];
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:b}", "src", ip_show(&t->saddr, src), "dst",
                     ip_show(&t->daddr, dst), "proto", xfrm_show_proto(t->proto, proto), "reqid",
                     (json_int_t)t->reqid, "mode", xfrm_show_mode(t->mode), "optional",
                     t->optional != 0);
}

json_t *xfrm_show_policy_json(const struct xfrm_policy *p)
{
    json_t *tmpls = json_array();
    for (unsigned i = 0; i < p->tmpl_count && i < XFRM_TMPL_MAX; i++) {
        json_add(tmpls, tmpl_json(&p->tmpl[i]));
    }
    json_t *j = json_pack(
        "{s:o, s:s, s:s, s:I, s:I, s:o}", "sel", xfrm_show_selector_json(&p->sel), "dir",
        dir_name(p->dir), "action", p->action == XFRM_BLOCK ? "block" : "allow", "priority",
        (json_int_t)p->priority, "index", (json_int_t)p->index, "templates", tmpls);
    if (j && p->if_id) (void)json_object_set_new(j, "if_id", json_integer(p->if_id));
    return j;
}
