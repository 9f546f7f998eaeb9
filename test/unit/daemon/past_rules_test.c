// The script that marks what no policy names: what each kind of policy becomes. Whether nft
// understands it, and where packets go, is tried in test/net.
#include "daemon/past_rules.h"

#include <string.h>

#include "test/check.h"
#include "test/unit/daemon/cardboard.h"

static struct xfrm_policy policy(const char *src, const char *dst)
{
    struct xfrm_policy p = {.dir = XFRM_OUT, .tmpl_count = 1};
    CHECK_OK(prefix_parse(src, &p.sel.src));
    CHECK_OK(prefix_parse(dst, &p.sel.dst));
    p.sel.family = p.sel.dst.ip.family;
    return p;
}

static void add(struct policies *ps, const struct xfrm_policy *p)
{
    policies_event(ps, &(struct xfrm_event){.kind = XFRM_EV_POL_NEW, .policy = p});
}

static struct policies *policies_of(const struct xfrm_policy *p, unsigned n)
{
    struct policies *ps = cardboard_policies();
    for (unsigned i = 0; i < n; i++) add(ps, &p[i]);
    return ps;
}

static void write_for(const struct xfrm_policy *p, unsigned n, struct text *out)
{
    static const struct past_rules_conf conf = {"pavise0", 0x100, true, true};
    struct policies *ps = policies_of(p, n);
    past_rules_write(&conf, ps, out);
    policies_free(ps);
}

static void check_says(const struct xfrm_policy *p, unsigned n, const char *want)
{
    AUTO(text) struct text script = {0};
    write_for(p, n, &script);
    if (!want && script.len == 0) return;
    if (!want || !strstr(text_str(&script), want))
        fail_msg("not '%s': %s", want ? want : "(nothing)", text_str(&script));
}

static void check_lacks(const struct xfrm_policy *p, unsigned n, const char *what)
{
    AUTO(text) struct text script = {0};
    write_for(p, n, &script);
    CHECK(script.len > 0);
    if (strstr(text_str(&script), what)) fail_msg("'%s' in %s", what, text_str(&script));
}

static void what_a_policy_names_has_no_mark(void **state)
{
    (void)state;
    struct xfrm_policy p = policy("10.1.0.0/16", "10.2.0.1");
    check_says(&p, 1,
               " chain cover_4 {\n"
               "  ip saddr { 10.1.0.0-10.1.255.255 } ip daddr { 10.2.0.1 } "
               "meta mark set meta mark & 0xfffffeff return\n }\n");
    check_says(&p, 1,
               " chain judge_4 {\n  ip daddr != { 10.2.0.1 } return\n  meta mark != 0 return\n"
               "  ip daddr { 169.254.0.0/16, 224.0.0.0-255.255.255.255 } return\n"
               "  meta mark set meta mark | 0x100\n  goto cover_4\n }\n");
    check_lacks(&p, 1, "ip6");
    // by its addresses, whatever else it names
    p.sel.proto = 6;
    p.sel.dport = 80;
    p.sel.dport_mask = 0xffff;
    p.sel.ifindex = 3;
    p.mark = (struct xfrm_mark){1, 0xff};
    p.if_id = 7;
    check_says(&p, 1,
               "  ip saddr { 10.1.0.0-10.1.255.255 } ip daddr { 10.2.0.1 } meta mark set meta mark "
               "& 0xfffffeff return\n");
    p = policy("fd00:1::/64", "::/0");
    check_says(&p, 1, "  ip6 saddr { fd00:1::-fd00:1::ffff:ffff:ffff:ffff } meta mark set");
    check_says(&p, 1,
               " chain judge_6 {\n \n  meta mark != 0 return\n  ip6 daddr { fe80::/10, ff00::/8 } "
               "return\n");
    check_says(&p, 1, "  meta nfproto ipv6 jump judge_6\n }\n");
}

static void sets_do_not_overlap(void **state)
{
    (void)state;
    const struct xfrm_policy p[] = {
        policy("10.1.0.0/16", "10.2.3.0/24"), policy("10.1.0.0/16", "10.2.0.0/16"),
        policy("10.1.0.0/16", "10.9.0.0/16"), policy("10.1.5.0/24", "10.2.0.0/16"),
        policy("10.1.0.0/16", "10.3.0.0/16")};
    check_says(p, 5,
               "  ip saddr { 10.1.0.0-10.1.255.255 } ip daddr { 10.2.0.0-10.2.255.255, "
               "10.3.0.0-10.3.255.255, 10.9.0.0-10.9.255.255 } meta mark");
    check_says(p, 5, "  ip saddr { 10.1.5.0-10.1.5.255 } ip daddr { 10.2.0.0-10.2.255.255 } meta");
    check_says(p, 5,
               " ip daddr != { 10.2.0.0-10.2.255.255, 10.3.0.0-10.3.255.255, 10.9.0.0-10.9.255.255 "
               "} return\n");
}

static void nothing_where_nothing_can_be_marked(void **state)
{
    (void)state;
    struct xfrm_policy p = policy("0.0.0.0/0", "10.2.0.0/16");
    check_says(NULL, 0, NULL);
    check_says(&p, 1, NULL); // it is for any source
    p = policy("10.1.0.0/16", "10.2.0.0/16");
    p.dir = XFRM_FWD;
    check_says(&p, 1, NULL);
    p.dir = XFRM_OUT;
    p.tmpl_count = 0; // passes in clear, and leads nowhere
    check_says(&p, 1, NULL);
    p = policy("10.1.0.0/16", "10.2.0.0/16");
    p.mark = (struct xfrm_mark){0x101, 0xfff}; // the bit is not ours
    check_says(&p, 1, NULL);
    p.mark = (struct xfrm_mark){0x201, 0xfff};
    check_says(&p, 1, "chain cover_4");
    // a policy for what is forwarded that looks at the bit must not see it
    struct xfrm_policy two[] = {p, policy("10.7.0.0/16", "10.2.0.0/16")};
    two[1].dir = XFRM_FWD;
    check_lacks(two, 2, "10.7.");
    two[1].mark = (struct xfrm_mark){5, UINT32_MAX};
    check_says(two, 2,
               "ip saddr { 10.7.0.0-10.7.255.255 } ip daddr { 10.2.0.0-10.2.255.255 } meta");
}

static void drops_are_named_and_allowances_are_not(void **state)
{
    (void)state;
    struct xfrm_policy p[] = {policy("10.1.0.0/16", "10.2.0.0/16"),
                              policy("10.5.0.0/16", "10.2.1.0/24"),
                              policy("10.6.0.0/16", "10.2.2.0/24")};
    p[1].tmpl_count = p[2].tmpl_count = 0;
    p[1].action = XFRM_BLOCK;
    check_says(p, 3, "ip saddr { 10.5.0.0-10.5.255.255 } ip daddr { 10.2.1.0-10.2.1.255 } meta");
    check_says(p, 3, "ip daddr != { 10.2.0.0-10.2.255.255 } return"); // it leads nowhere
    check_lacks(p, 3, "10.6.");
    p[2].tmpl_count = 1;
    p[2].tmpl[0].optional = 1;
    check_says(p, 3, "ip saddr { 10.6.0.0-10.6.255.255 } ip daddr { 10.2.2.0-10.2.2.255 } meta");
}

static void errors_are_judged_where_a_policy_wants_them(void **state)
{
    (void)state;
    struct xfrm_policy p = policy("10.1.0.0/16", "10.2.0.0/16");
    check_lacks(&p, 1, "icmp");
    p.flags = XFRM_POLICY_ICMP;
    check_says(&p, 1,
               " return\n  icmp type { 3, 4, 5, 11, 12 } return\n"
               "  ip protocol icmp ip frag-off & 0x1fff != 0 return\n");
    p = policy("fd00:1::/64", "fd00:2::/64");
    p.flags = XFRM_POLICY_ICMP;
    check_says(&p, 1,
               " return\n  icmpv6 type { 1, 2, 3, 4 } return\n"
               "  meta l4proto 58 frag frag-off != 0 return\n");
}

static void a_policy_of_no_family_is_for_everything_in_both(void **state)
{
    (void)state;
    struct xfrm_policy p[] = {policy("10.1.0.0/16", "10.2.0.0/16"),
                              {.dir = XFRM_OUT, .tmpl_count = 1}};
    // with it all is named: one rule without any match comes first
    check_says(p, 2, " chain cover_4 {\n  meta mark set meta mark & 0xfffffeff return\n");
    check_lacks(p, 2, "cover_6"); // where it is alone
}

static void many_sources_have_one_rule(void **state)
{
    (void)state;
    enum { EXTRA = 3 };
    AUTO(text) struct text script = {0};
    struct xfrm_policy p[PAST_SOURCES_MAX + EXTRA];
    for (unsigned i = 0; i < PAST_SOURCES_MAX + EXTRA; i++) {
        p[i] = policy("10.1.0.0", "10.2.0.0");
        p[i].sel.src.ip.b[3] = p[i].sel.dst.ip.b[3] = (uint8_t)(2 * i);
    }
    write_for(p, PAST_SOURCES_MAX + EXTRA, &script);
    unsigned rules = 0;
    for (const char *at = text_str(&script); (at = strstr(at, "ip saddr {")); at++) rules++;
    CHECK_EQ(rules, PAST_SOURCES_MAX);
    CHECK(strstr(text_str(&script), "ip saddr { 10.1.0.126, 10.1.0.128, 10.1.0.130, 10.1.0.132 } "
                                    "ip daddr { 10.2.0.126, 10.2.0.128, 10.2.0.130, 10.2.0.132 }"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_policy_names_has_no_mark),
        cmocka_unit_test(sets_do_not_overlap),
        cmocka_unit_test(nothing_where_nothing_can_be_marked),
        cmocka_unit_test(drops_are_named_and_allowances_are_not),
        cmocka_unit_test(errors_are_judged_where_a_policy_wants_them),
        cmocka_unit_test(a_policy_of_no_family_is_for_everything_in_both),
        cmocka_unit_test(many_sources_have_one_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
