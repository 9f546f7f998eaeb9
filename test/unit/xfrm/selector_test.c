// Which packets a selector takes.
#include "test/unit/xfrm/rig.h"

#include <netinet/in.h>

#include "xfrm/db/selector.h"

static struct flow flow(const char *src, const char *dst, uint8_t proto, uint16_t sport,
                        uint16_t dport)
{
    return (struct flow){
        .src = rig_ip(src), .dst = rig_ip(dst), .proto = proto, .sport = sport, .dport = dport};
}

static struct xfrm_selector sel(const char *src, const char *dst)
{
    return rig_policy(XFRM_OUT, src, dst, NULL, NULL).sel;
}

static void prefixes_cut_at_any_bit(void **state)
{
    (void)state;
    struct xfrm_selector s = sel("10.1.128.0/17", "192.168.7.4/30");
    struct flow f = flow("10.1.255.9", "192.168.7.7", IPPROTO_TCP, 1, 2);
    CHECK(selector_match(&s, &f));
    f = flow("10.1.127.9", "192.168.7.7", IPPROTO_TCP, 1, 2);
    CHECK(!selector_match(&s, &f));
    f = flow("10.1.128.0", "192.168.7.8", IPPROTO_TCP, 1, 2);
    CHECK(!selector_match(&s, &f));
    s = sel("2001:db8::/35", "::/0");
    f = flow("2001:db8:1fff::1", "fe80::1", IPPROTO_TCP, 1, 2);
    CHECK(selector_match(&s, &f));
    f = flow("2001:db8:2000::1", "fe80::1", IPPROTO_TCP, 1, 2);
    CHECK(!selector_match(&s, &f));
}

static void families_do_not_mix_unless_any(void **state)
{
    (void)state;
    struct xfrm_selector s = sel("0.0.0.0/0", "0.0.0.0/0");
    struct flow f = flow("::1", "::2", IPPROTO_TCP, 1, 2);
    CHECK(!selector_match(&s, &f));
    xfrm_selector_any(&s, AF_UNSPEC);
    CHECK(selector_match(&s, &f));
}

static void ports_are_masks(void **state)
{
    (void)state;
    struct xfrm_selector s = sel("0.0.0.0/0", "0.0.0.0/0");
    struct flow f = flow("1.1.1.1", "2.2.2.2", IPPROTO_UDP, 4000, 0x1234);
    s.proto = IPPROTO_UDP;
    s.dport = 0x1200;
    s.dport_mask = 0xff00;
    CHECK(selector_match(&s, &f));
    f.dport = 0x1300;
    CHECK(!selector_match(&s, &f));
    f.dport = 0x12ff;
    f.proto = IPPROTO_TCP;
    CHECK(!selector_match(&s, &f));
}

static void icmp_type_and_code_are_ports(void **state)
{
    (void)state;
    struct xfrm_selector s = sel("0.0.0.0/0", "0.0.0.0/0");
    struct flow f = flow("1.1.1.1", "2.2.2.2", IPPROTO_ICMP, 8, 0);
    s.proto = IPPROTO_ICMP;
    s.sport = 8;
    s.sport_mask = 0xffff;
    CHECK(selector_match(&s, &f));
    f.sport = 0;
    CHECK(!selector_match(&s, &f));
}

static void a_fragment_without_ports_matches_open_ports_only(void **state)
{
    (void)state;
    struct xfrm_selector s = sel("0.0.0.0/0", "0.0.0.0/0");
    struct flow f = flow("1.1.1.1", "2.2.2.2", IPPROTO_UDP, 0, 0);
    f.fragment = true;
    s.proto = IPPROTO_UDP;
    CHECK(selector_match(&s, &f));
    s.dport_mask = 0xffff; // port 0 is what an unknown port looks like
    CHECK(!selector_match(&s, &f));
}

static void the_selector_of_a_flow_takes_just_it(void **state)
{
    (void)state;
    struct flow f = flow("1.1.1.1", "2.2.2.2", IPPROTO_UDP, 5, 6), g = f;
    struct xfrm_selector s = selector_of(&f);
    CHECK(selector_match(&s, &f));
    g.sport = 7;
    CHECK(!selector_match(&s, &g));
    g = f;
    g.dst = rig_ip("2.2.2.3");
    CHECK(!selector_match(&s, &g));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_cut_at_any_bit),
        cmocka_unit_test(families_do_not_mix_unless_any),
        cmocka_unit_test(ports_are_masks),
        cmocka_unit_test(icmp_type_and_code_are_ports),
        cmocka_unit_test(a_fragment_without_ports_matches_open_ports_only),
        cmocka_unit_test(the_selector_of_a_flow_takes_just_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
