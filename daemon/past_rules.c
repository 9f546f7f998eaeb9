#include "daemon/past_rules.h"

#include <stdlib.h>

// Addresses from first to last.
struct span {
    ip_t first, last;
};

// What a policy is about.
struct pair {
    struct span src, dst;
    bool leads; // into the TUN device
};

struct pairs {
    uint16_t family;
    uint32_t mark; // the bit
    unsigned n, room;
    struct pair *at;
    struct span *work; // as many, for sets of them
    bool icmp;         // errors about such packets belong to it, too, wherever they come from
    bool from_any;     // all of them are for any source
    bool no_memory;
};

// ---- policies ----

static struct span span_of(const prefix_t *p, uint16_t family)
{
    const prefix_t all = {.ip.family = family};
    struct span s;
    prefix_range(p->ip.family == family ? p : &all, &s.first, &s.last);
    return s;
}

static bool is_all(const struct span *s)
{
    uint8_t least = 0, most = 0xff;
    for (unsigned i = 0; i < ip_len(s->first.family); i++) {
        least |= s->first.b[i];
        most &= s->last.b[i];
    }
    return least == 0 && most == 0xff;
}

static bool has_room(struct pairs *all)
{
    if (all->n < all->room) return true;
    unsigned more = all->room ? all->room * 2 : 16;
    struct pair *p = reallocarray(all->at, more, sizeof *p);
    if (!p) return false;
    all->at = p;
    all->room = more;
    return true;
}

// What policies let pass in clear may as well go past the executor. One that looks at the bit, on
// what is forwarded, would not know its packets with it.
static bool is_about(const struct xfrm_policy *p, uint16_t family, uint32_t mark)
{
    bool fits = p->sel.family == family || p->sel.family == AF_UNSPEC;
    bool out = p->dir == XFRM_OUT && (p->action != XFRM_ALLOW || p->tmpl_count > 0);
    return fits && (out || (p->dir == XFRM_FWD && (p->mark.mask & mark)));
}

static void take(void *ctx, const struct xfrm_policy *p)
{
    struct pairs *all = ctx;
    if (!is_about(p, all->family, all->mark)) return;
    all->no_memory |= !has_room(all);
    if (all->no_memory) return;
    struct pair *x = &all->at[all->n++];
    *x = (struct pair){.src = span_of(&p->sel.src, all->family),
                       .dst = span_of(&p->sel.dst, all->family),
                       .leads = p->action == XFRM_ALLOW && p->dir == XFRM_OUT};
    all->icmp |= (p->flags & XFRM_POLICY_ICMP) != 0;
    all->from_any &= is_all(&x->src);
}

static int span_order(const void *x, const void *y)
{
    const struct span *a = x, *b = y;
    int diff = ip_cmp(&a->first, &b->first);
    return diff ? diff : ip_cmp(&a->last, &b->last);
}

static int pair_order(const void *x, const void *y)
{
    const struct pair *a = x, *b = y;
    int diff = span_order(&a->src, &b->src);
    return diff ? diff : span_order(&a->dst, &b->dst);
}

// ---- sets of addresses ----

static void write_span(const struct span *s, struct text *out)
{
    char first[IP_TEXT_MAX], last[IP_TEXT_MAX];
    text_add(out, "%s", ip_show(&s->first, first));
    if (!ip_eq(&s->first, &s->last)) text_add(out, "-%s", ip_show(&s->last, last));
}

// Puts together what overlaps, since nftables refuse that. Returns how many are left.
static unsigned merge(struct span *s, unsigned n)
{
    unsigned kept = 0;
    qsort(s, n, sizeof *s, span_order);
    for (unsigned i = 1; i < n; i++) {
        if (ip_cmp(&s[i].first, &s[kept].last) > 0)
            s[++kept] = s[i];
        else if (ip_cmp(&s[i].last, &s[kept].last) > 0)
            s[kept].last = s[i].last;
    }
    return n ? kept + 1 : 0;
}

// " ip saddr { ... }"; nothing for any address. False: nothing was written.
static bool write_match(const struct pairs *all, const char *which, unsigned n, struct text *out)
{
    n = merge(all->work, n);
    if (is_all(&all->work[0])) return false;
    text_add(out, " %s %s { ", all->family == AF_INET ? "ip" : "ip6", which);
    for (unsigned i = 0; i < n; i++) {
        if (i) text_add(out, ", ");
        write_span(&all->work[i], out);
    }
    text_add(out, " }");
    return true;
}

// ---- chains ----

static void write_cover_rule(const struct past_rules_conf *conf, const struct pairs *all,
                             unsigned from, unsigned to, struct text *out)
{
    text_add(out, " ");
    for (unsigned i = from; i < to; i++) all->work[i - from] = all->at[i].src;
    (void)write_match(all, "saddr", to - from, out);
    for (unsigned i = from; i < to; i++) all->work[i - from] = all->at[i].dst;
    (void)write_match(all, "daddr", to - from, out);
    text_add(out, " meta mark set meta mark & 0x%x return\n", ~conf->mark);
}

static void write_cover(const struct past_rules_conf *conf, const struct pairs *all,
                        struct text *out)
{
    text_add(out, " chain cover_%d {\n", all->family == AF_INET ? 4 : 6);
    for (unsigned from = 0, to, rules = 1; from < all->n; from = to, rules++) {
        to = from + 1;
        while (to < all->n &&
               (rules == PAST_SOURCES_MAX || span_order(&all->at[from].src, &all->at[to].src) == 0))
            to++;
        write_cover_rule(conf, all, from, to, out);
    }
    text_add(out, " }\n");
}

// An error is judged by what it quotes, which cannot be seen here; nor can the type in a piece that
// is not the first.
static void write_errors(const struct pairs *all, struct text *out)
{
    if (!all->icmp) return;
    text_add(out, all->family == AF_INET ? "  icmp type { 3, 4, 5, 11, 12 } return\n"
                                           "  ip protocol icmp ip frag-off & 0x1fff != 0 return\n"
                                         : "  icmpv6 type { 1, 2, 3, 4 } return\n"
                                           "  meta l4proto 58 frag frag-off != 0 return\n");
}

static void write_judge(const struct past_rules_conf *conf, const struct pairs *all,
                        struct text *out)
{
    unsigned n = 0;
    const int digit = all->family == AF_INET ? 4 : 6;
    for (unsigned i = 0; i < all->n; i++)
        if (all->at[i].leads) all->work[n++] = all->at[i].dst;
    text_add(out, " chain judge_%d {\n ", digit);
    if (write_match(all, "daddr !=", n, out)) text_add(out, " return"); // most packets end here
    // The host's rules may compare all of the mark that they have set.
    text_add(out, "\n  meta mark != 0 return\n");
    write_errors(all, out);
    // What stays on its link has never been let out of the TUN device either.
    text_add(out, "  %s return\n",
             digit == 4 ? "ip daddr { 169.254.0.0/16, 224.0.0.0-255.255.255.255 }"
                        : "ip6 daddr { fe80::/10, ff00::/8 }");
    text_add(out, "  meta mark set meta mark | 0x%x\n  goto cover_%d\n }\n", conf->mark, digit);
}

static bool write_family(const struct past_rules_conf *conf, const struct policies *ps,
                         uint16_t family, struct text *out)
{
    struct pairs all = {.family = family, .mark = conf->mark, .from_any = true};
    bool leads = false;
    policies_each(ps, take, &all);
    for (unsigned i = 0; i < all.n; i++) leads |= all.at[i].leads;
    all.work = leads && !all.from_any && !all.no_memory ? calloc(all.n, sizeof *all.work) : NULL;
    const bool wanted = all.work != NULL;
    if (wanted) {
        qsort(all.at, all.n, sizeof *all.at, pair_order);
        write_cover(conf, &all, out);
        write_judge(conf, &all, out);
    }
    free(all.work);
    free(all.at);
    return wanted;
}

// ---- the table ----

struct clash {
    uint32_t mark;
    bool found;
};

static void look_for_clash(void *ctx, const struct xfrm_policy *p)
{
    struct clash *c = ctx;
    c->found |= (p->mark.value & p->mark.mask & c->mark) != 0;
}

static void write_jumps(bool v4, bool v6, const char *to, struct text *out)
{
    if (v4) text_add(out, "  meta nfproto ipv4 jump %s_4\n", to);
    if (v6) text_add(out, "  meta nfproto ipv6 jump %s_6\n", to);
}

static void write_hooks(const struct past_rules_conf *conf, bool v4, bool v6, struct text *out)
{
    AUTO(text) struct text clear = {0};
    text_add(&clear, "  meta mark & 0x%x != 0 meta mark set meta mark & 0x%x\n", conf->mark,
             ~conf->mark);
    text_add(out,
             " chain prerouting {\n  type filter hook prerouting priority -99; policy accept;\n%s",
             text_str(&clear));
    write_jumps(v4, v6, "judge", out);
    text_add(out,
             " }\n chain input {\n  type filter hook input priority -300; policy accept;\n%s }\n",
             text_str(&clear));
    text_add(out,
             " chain leave {\n  type filter hook postrouting priority 101; policy accept;\n"
             "  meta mark & 0x%x == 0 accept\n  oifname \"%s\" accept\n",
             conf->mark, conf->tun);
    write_jumps(v4, v6, "cover", out);
    text_add(out, "  meta mark & 0x%x == 0 counter name translated drop\n }\n", conf->mark);
}

void past_rules_write(const struct past_rules_conf *conf, const struct policies *ps,
                      struct text *out)
{
    AUTO(text) struct text chains = {0};
    struct clash clash = {.mark = conf->mark};
    policies_each(ps, look_for_clash, &clash);
    if (clash.found) return;
    bool v4 = conf->v4 && write_family(conf, ps, AF_INET, &chains);
    bool v6 = conf->v6 && write_family(conf, ps, AF_INET6, &chains);
    if (!v4 && !v6) return;
    text_add(out, PAST_REMOVE "table " PAST_TABLE " {\n counter translated { }\n%s",
             text_str(&chains));
    write_hooks(conf, v4, v6, out);
    text_add(out, "}\n");
}
