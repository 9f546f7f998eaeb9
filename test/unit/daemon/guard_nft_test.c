// The nftables script: what each kind of policy becomes. Whether nft understands it, and whether
// packets obey, is tried in test/net.
#include "daemon/guard_nft.h"

#include <stdio.h>
#include <string.h>

#include "test/check.h"
#include "test/unit/daemon/cardboard.h"

static struct xfrm_policy policy(uint8_t dir, const char *src, const char *dst)
{
    struct xfrm_policy p = {.dir = dir, .tmpl_count = 1};
    CHECK_OK(prefix_parse(src, &p.sel.src));
    CHECK_OK(prefix_parse(dst, &p.sel.dst));
    p.sel.family = p.sel.dst.ip.family;
    return p;
}

#define BOTH                                                                                 \
    {                                                                                        \
        .tun = "pavise0", .udp_port = 4500, .fwmark = 0x42, .uid = 7, .v4 = true, .v6 = true \
    }

// The chain of the script that holds the rules of a direction, as text.
static void check_rule(const struct xfrm_policy *p, const struct guard_nft_conf *conf,
                       const char *chain, const char *want)
{
    static const struct guard_nft_conf both = BOTH;
    AUTO(text) struct text script = {0};
    struct policies *ps = cardboard_policies();
    policies_event(ps, &(struct xfrm_event){.kind = XFRM_EV_POL_NEW, .policy = p});
    guard_nft_script(conf ? conf : &both, ps, &script);
    policies_free(ps);
    char head[32];
    (void)snprintf(head, sizeof head,
                   strncmp(chain, "own_", 4) ? " chain %s_0 {\n" : " chain %s {\n", chain);
    const char *from = strstr(text_str(&script), head);
    CHECK(from != NULL);
    const char *to = strstr(from, " }\n");
    const char *at = want ? strstr(from, want) : NULL;
    if (want && (!at || at > to)) fail_msg("no '%s' in %s", want, text_str(&script));
    // nothing but the frame where no rule is wanted
    if (!want) CHECK(strstr(from, "nfproto") == NULL || strstr(from, "nfproto") > to);
}

static void protected_is_dropped_in_its_direction(void **state)
{
    (void)state;
    struct xfrm_policy p = policy(XFRM_IN, "10.2.0.0/16", "10.1.0.0/16");
    check_rule(&p, NULL, "input",
               "  meta nfproto ipv4 ip saddr 10.2.0.0/16 ip daddr 10.1.0.0/16 counter name "
               "clear_in drop\n");
    check_rule(&p, NULL, "forward", NULL);
    p.dir = XFRM_FWD;
    check_rule(&p, NULL, "forward", "counter name clear_in drop\n");
    check_rule(&p, NULL, "leave", NULL);
    p.dir = XFRM_OUT;
    check_rule(&p, NULL, "leave", "counter name clear_out drop\n");
    p.tmpl[0].optional = 1; // what goes out is led to the executor all the same
    check_rule(&p, NULL, "leave", "counter name clear_out drop\n");
    p.dir = XFRM_IN; // what comes in may be in clear
    check_rule(&p, NULL, "input", "ip daddr 10.1.0.0/16 accept\n");
    p = policy(XFRM_IN, "fd00:2::/64", "::/0");
    check_rule(&p, NULL, "input", "  meta nfproto ipv6 ip6 saddr fd00:2::/64 counter name");
}

static void allowed_passes_and_blocked_does_not(void **state)
{
    (void)state;
    struct xfrm_policy p = policy(XFRM_IN, "10.2.0.0/16", "10.1.0.0/16");
    p.tmpl_count = 0;
    check_rule(&p, NULL, "input", "ip daddr 10.1.0.0/16 accept\n");
    p.action = XFRM_BLOCK;
    check_rule(&p, NULL, "input", "drop\n");
    p.action = XFRM_ALLOW;
    p.mark = (struct xfrm_mark){1, 0xf};
    check_rule(&p, NULL, "input",
               "nfproto ipv4 meta mark & 0xf == 0x1 ip saddr 10.2.0.0/16 ip daddr 10.1.0.0/16 "
               "accept\n");
}

// What is kept out of a device, and let pass by one: each direction meets it in its own way.
static void a_device_is_taken_at_its_word(void **state)
{
    static const struct {
        uint8_t dir, action;
        const char *chain, *rules;
    } rows[] = {
        {XFRM_IN, XFRM_BLOCK, "input", "  meta nfproto ipv4 iif 3 counter name clear_in drop\n"},
        {XFRM_IN, XFRM_ALLOW, "input", "  meta nfproto ipv4 iif 3 accept\n"},
        {XFRM_OUT, XFRM_BLOCK, "leave", "  meta nfproto ipv4 oif 3 counter name clear_out drop\n"},
        {XFRM_OUT, XFRM_ALLOW, "leave", "  meta nfproto ipv4 oif 3 accept\n"},
        {XFRM_FWD, XFRM_BLOCK, "forward",
         "  meta nfproto ipv4 oif 3 counter name clear_in drop\n"
         "  meta nfproto ipv4 iif 3 counter name clear_in drop\n"},
        {XFRM_FWD, XFRM_ALLOW, "forward",
         "  jump own_forward\n  meta nfproto ipv4 oif 3 accept\n  jump"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xfrm_policy p = policy(rows[i].dir, "0.0.0.0/0", "0.0.0.0/0");
        p.tmpl_count = 0;
        p.action = rows[i].action;
        p.sel.ifindex = 3;
        check_rule(&p, NULL, rows[i].chain, rows[i].rules);
        p.sel.ifindex = -1; // nft knows no such device, and would refuse all
        check_rule(&p, NULL, rows[i].chain,
                   p.action == XFRM_BLOCK ? "  meta nfproto ipv4 counter name" : NULL);
    }
}

static void a_device_does_not_weaken_protection(void **state)
{
    (void)state;
    struct xfrm_policy p = policy(XFRM_IN, "10.2.0.0/16", "10.1.0.0/16");
    p.sel.ifindex = 3;
    check_rule(&p, NULL, "input", " ip daddr 10.1.0.0/16 counter name clear_in drop\n");
    p.dir = XFRM_OUT;
    check_rule(&p, NULL, "leave", "ipv4 oif 3 ip saddr 10.2.0.0/16 ip daddr 10.1.0.0/16 counter");
    p.dir = XFRM_IN;
    p.mark = (struct xfrm_mark){1, UINT32_MAX}; // it is for no other packets
    check_rule(&p, NULL, "input",
               "nfproto ipv4 meta mark & 0xffffffff == 0x1 ip saddr 10.2.0.0/16 ip daddr "
               "10.1.0.0/16 counter name clear_in drop\n");
}

// What a policy for flows names may not pass in clear with any mark, or none.
static void flows_need_no_mark_to_be_kept(void **state)
{
    (void)state;
    struct xfrm_policy p = policy(XFRM_IN, "10.2.0.0/16", "10.1.0.0/16");
    p.mark = (struct xfrm_mark){1, UINT32_MAX};
    p.flags = XFRM_POLICY_FLOWS;
    check_rule(&p, NULL, "input",
               "  meta nfproto ipv4 ip saddr 10.2.0.0/16 ip daddr 10.1.0.0/16 counter");
}

static void further_devices_are_ours_too(void **state)
{
    (void)state;
    struct guard_nft_conf conf = BOTH;
    struct xfrm_policy p = policy(XFRM_IN, "10.2.0.0/16", "10.1.0.0/16");
    conf.device_count = 2;
    (void)strcpy(conf.device[0], "pavise0-1");
    (void)strcpy(conf.device[1], "pavise0-2");
    check_rule(&p, &conf, "own_input",
               "  iifname { \"pavise0\", \"pavise0-1\", \"pavise0-2\", \"lo\" } accept\n");
    check_rule(&p, &conf, "own_forward",
               "  iifname { \"pavise0\", \"pavise0-1\", \"pavise0-2\" } accept\n");
    check_rule(&p, &conf, "own_leave",
               "  oifname { \"pavise0\", \"pavise0-1\", \"pavise0-2\", \"lo\" } accept\n");
}

static void ports_and_icmp_types(void **state)
{
    (void)state;
    struct xfrm_policy p = policy(XFRM_IN, "10.2.0.0/16", "10.1.0.0/16");
    p.sel.proto = 6;
    p.sel.dport = 80;
    p.sel.dport_mask = 0xffff;
    check_rule(&p, NULL, "input", " meta l4proto 6 @th,16,16 & 0xffff == 0x50 counter");
    p.sel.sport = 0x1234;
    p.sel.sport_mask = 0xff00;
    check_rule(&p, NULL, "input",
               " @th,0,16 & 0xff00 == 0x1200 @th,16,16 & 0xffff == 0x50 counter");
    p.sel.proto = 1;
    p.sel.sport = 8;
    p.sel.sport_mask = 0xffff;
    p.sel.dport = p.sel.dport_mask = 0;
    check_rule(&p, NULL, "input", " meta l4proto 1 @th,0,8 & 0xff == 0x8 counter");
}

static void only_the_families_asked_for(void **state)
{
    (void)state;
    static const struct guard_nft_conf v6 = {
        .tun = "pavise0", .udp_port = 4500, .fwmark = 0x42, .uid = 7, .v6 = true};
    struct xfrm_policy p = policy(XFRM_IN, "10.2.0.0/16", "10.1.0.0/16");
    check_rule(&p, &v6, "input", NULL);
    p = policy(XFRM_IN, "::/0", "::/0");
    check_rule(&p, &v6, "input", "  meta nfproto ipv6 counter name clear_in drop\n");
    p.sel.family = AF_UNSPEC;
    p.sel.src = p.sel.dst = (prefix_t){0};
    check_rule(&p, NULL, "input", "  meta nfproto ipv4 counter name clear_in drop\n");
    check_rule(&p, NULL, "input", "  meta nfproto ipv6 counter name clear_in drop\n");
}

static void our_own_packets_are_exempt(void **state)
{
    (void)state;
    const struct xfrm_policy p = policy(XFRM_IN, "10.2.0.0/16", "10.1.0.0/16");
    check_rule(&p, NULL, "own_input", "  iifname { \"pavise0\", \"lo\" } accept\n");
    check_rule(&p, NULL, "own_input", "  udp dport { 500, 4500 } accept\n");
    check_rule(&p, NULL, "own_input", "  frag frag-off != 0 meta l4proto udp accept\n");
    check_rule(&p, NULL, "own_input", "  frag frag-off != 0 frag nexthdr ah accept\n");
    check_rule(&p, NULL, "own_leave", "  meta mark 0x42 accept\n");
    check_rule(&p, NULL, "own_leave", "  meta skuid 7 meta l4proto { esp, ah, comp } accept\n");
    check_rule(&p, NULL, "own_leave", "  meta skuid 7 udp sport 4500 accept\n");
    check_rule(&p, NULL, "input", "  jump own_input\n  meta nfproto ipv4");
    check_rule(&p, NULL, "own_forward", "  iifname { \"pavise0\" } accept\n");
}

// The frame of a table without policies.
static void check_frame(const struct guard_nft_conf *conf, const char *want, bool there)
{
    AUTO(text) struct text script = {0};
    struct policies *ps = cardboard_policies();
    guard_nft_script(conf, ps, &script);
    policies_free(ps);
    if ((strstr(text_str(&script), want) != NULL) != there)
        fail_msg("'%s': %s in %s", want, there ? "not" : "found", text_str(&script));
}

static void a_default_to_block_ends_its_chain(void **state)
{
    (void)state;
    struct guard_nft_conf conf = BOTH;
    check_frame(&conf, " drop\n", false);
    check_frame(&conf, "delete counter inet pavise default_out\n", true);
    conf.block[XFRM_OUT] = true;
    check_frame(&conf, "udp sport 4500 accept\n", true);
    check_frame(&conf, " chain rest_0_out {\n  counter name clear_out drop\n }\n", true);
    check_frame(&conf, "clear_in drop", false);
    check_frame(&conf, "delete counter inet pavise default_out\n", false);
    check_frame(&conf, "delete counter inet pavise default_in\n", true);
    conf.v4 = false;
    check_frame(&conf, "  meta nfproto ipv6 counter name clear_out drop\n }\n", true);
    conf.block[XFRM_FWD] = true;
    check_frame(&conf, "  meta nfproto ipv6 counter name clear_in drop\n }\n chain forward_0",
                true);
}

static void further_udp_ports_are_ours_too(void **state)
{
    (void)state;
    struct guard_nft_conf conf = BOTH;
    conf.source[0] = (struct guard_source){AF_INET, 5501};
    conf.source[1] = (struct guard_source){AF_INET6, 5502};
    conf.source_count = 2;
    check_frame(&conf, "  meta nfproto ipv4 udp dport 5501 accept\n", true);
    check_frame(&conf, "  meta nfproto ipv6 meta skuid 7 udp sport 5502 accept\n", true);
    check_frame(&conf, "  meta nfproto ipv6 udp dport 5501", false);
}

static void what_others_left_stays_but_their_default(void **state)
{
    (void)state;
    struct guard_nft_conf conf = BOTH;
    AUTO(text) struct text own = {0}, drop = {0};
    conf.slot = 1;
    conf.left = 1U << 0 | 1U << 2;
    check_frame(&conf, " chain input_1 {\n", true);
    check_frame(&conf, "input_0", false);
    check_frame(&conf, "input_2", false);
    check_frame(&conf, "flush table", false);
    check_frame(&conf, "flush chain inet pavise rest_0_in\n", true);
    check_frame(&conf, "flush chain inet pavise rest_2_fwd\n", true);
    check_frame(&conf, "rest_3", false);
    guard_nft_own_script(&conf, &own);
    CHECK(strstr(text_str(&own), "iifname { \"pavise0\", \"lo\" } accept") != NULL);
    CHECK(strstr(text_str(&own), "_1") == NULL && strstr(text_str(&own), "rest") == NULL);
    guard_nft_drop_script(&conf, &drop);
    CHECK(strstr(text_str(&drop), "delete chain inet pavise leave_2\n") != NULL);
    CHECK(strstr(text_str(&drop), "delete counter inet pavise slot_0\n") != NULL);
    CHECK(strstr(text_str(&drop), "_1") == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protected_is_dropped_in_its_direction),
        cmocka_unit_test(allowed_passes_and_blocked_does_not),
        cmocka_unit_test(a_device_is_taken_at_its_word),
        cmocka_unit_test(a_device_does_not_weaken_protection),
        cmocka_unit_test(flows_need_no_mark_to_be_kept),
        cmocka_unit_test(further_devices_are_ours_too),
        cmocka_unit_test(ports_and_icmp_types),
        cmocka_unit_test(only_the_families_asked_for),
        cmocka_unit_test(our_own_packets_are_exempt),
        cmocka_unit_test(a_default_to_block_ends_its_chain),
        cmocka_unit_test(further_udp_ports_are_ours_too),
        cmocka_unit_test(what_others_left_stays_but_their_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
