// What is explained is what happens: each answer is held against the packet itself, walked
// afterwards.
#include <netinet/in.h>
#include <string.h>

#include "test/unit/xfrm/rig.h"
#include "xfrm/path/explain.h"

#define US "192.0.2.1"
#define PEER "198.51.100.1"

static struct explain_ask ask(enum xfrm_dir dir, const char *src, const char *dst, uint16_t dport)
{
    return (struct explain_ask){.dir = dir,
                                .src = rig_ip(src),
                                .dst = rig_ip(dst),
                                .proto = IPPROTO_UDP,
                                .sport = 4000,
                                .dport = dport};
}

static struct explain explained(struct rig *r, const struct explain_ask *a)
{
    struct explain x;
    struct why why = {{0}};
    uint64_t drops = rig_all_drops(r);
    CHECK_OK(explain_packet(&r->w, a, &x, &why));
    CHECK_EQ(r->worker_events, 0); // nothing is asked for
    CHECK_EQ(r->sent.n + r->bypassed.n + r->delivered.n, 0);
    CHECK(rig_all_drops(r) == drops);
    return x;
}

static void walk(struct rig *r, const char *src, const char *dst, uint16_t dport)
{
    uint8_t packet[256];
    rig_out(r, packet, rig_udp(packet, src, dst, 4000, dport, 40));
}

static struct rig *tunnel(bool with_sa)
{
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", US, PEER);
    struct xfrm_policy in = rig_policy(XFRM_IN, "10.2.0.0/16", "10.1.0.0/16", PEER, US);
    struct xfrm_policy other = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.9.0.0/16", US, PEER);
    struct xfrm_policy web = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", NULL, NULL);
    struct xfrm_sa out = rig_sa(US, PEER, 0x1000), back = rig_sa(PEER, US, 0x2000);
    p.priority = in.priority = 300;
    other.priority = 200;
    web.priority = 100;
    web.action = XFRM_BLOCK;
    web.sel.proto = IPPROTO_UDP;
    web.sel.dport = 80;
    web.sel.dport_mask = UINT16_MAX;
    rig_add_policy(r, &p);
    rig_add_policy(r, &in);
    rig_add_policy(r, &other);
    rig_add_policy(r, &web);
    if (with_sa) rig_add_sa(r, &out);
    if (with_sa) rig_add_sa(r, &back);
    rig_clear(r);
    return r;
}

static void protected_by_its_sa(void **state)
{
    (void)state;
    struct rig *r = tunnel(true);
    r->link_mtu = 1400;
    struct explain_ask a = ask(XFRM_OUT, "10.1.0.1", "10.2.0.1", 53);
    a.len = 68;
    struct explain x = explained(r, &a);
    CHECK(x.drop == DROP_NONE && !x.bypass && !x.waits);
    CHECK_EQ(x.policy->conf.priority, 300);
    CHECK_EQ(x.others, 2);
    CHECK_EQ(x.other[0].policy->conf.priority, 100);
    CHECK_EQ(x.other[0].why, WHY_DPORT);
    CHECK_EQ(x.other[1].why, WHY_DST);
    CHECK_EQ(x.sas, 1);
    CHECK_EQ(host32(x.sa[0]->spi), 0x1000);
    CHECK(ip_eq(&x.outer.to.ip, &(ip_t){.family = AF_INET, .b = {198, 51, 100, 1}}));
    CHECK_EQ(x.path_mtu, 1400);
    walk(r, "10.1.0.1", "10.2.0.1", 53);
    CHECK_EQ(r->sent.n, 1);
    CHECK_EQ(x.wire, r->sent.f[0].len + 20); // the socket makes the outer header
    a.len = x.fits + 1;
    rig_clear(r);
    x = explained(r, &a);
    CHECK_EQ(x.drop, DROP_PATH_MTU);
    a.len = x.fits;
    x = explained(r, &a);
    CHECK(x.drop == DROP_NONE && x.wire <= 1400);
    rig_free(r);
}

static void waits_for_an_sa(void **state)
{
    (void)state;
    struct rig *r = tunnel(false);
    struct explain_ask a = ask(XFRM_OUT, "10.1.0.1", "10.2.0.1", 53);
    struct explain x = explained(r, &a);
    CHECK(x.waits && x.missing == 0 && x.sas == 0);
    walk(r, "10.1.0.1", "10.2.0.1", 53);
    CHECK_EQ(r->sent.n, 0);
    CHECK_EQ(hold_count(r->w.hold), 1);
    rig_free(r);
}

static void blocked_and_in_clear(void **state)
{
    (void)state;
    struct rig *r = tunnel(true);
    struct explain_ask a = ask(XFRM_OUT, "10.1.0.1", "10.2.0.1", 80);
    struct explain x = explained(r, &a);
    CHECK_EQ(x.drop, DROP_POLICY_OUT);
    CHECK_EQ(x.others_all, 0);
    a = ask(XFRM_OUT, "10.1.0.1", "172.16.0.1", 80);
    x = explained(r, &a);
    CHECK(x.bypass && !x.policy && x.others == 3);
    walk(r, "10.1.0.1", "172.16.0.1", 80);
    CHECK_EQ(r->bypassed.n, 1);
    rig_free(r);
}

static void inbound_only_through_its_sa(void **state)
{
    (void)state;
    struct rig *r = tunnel(true);
    struct explain_ask a = ask(XFRM_IN, "10.2.0.1", "10.1.0.1", 53);
    struct explain x = explained(r, &a);
    CHECK_EQ(x.drop, DROP_TEMPLATE); // in clear
    CHECK_EQ(x.sas, 1);
    CHECK_EQ(host32(x.sa[0]->spi), 0x2000);
    a = ask(XFRM_IN, "10.3.0.1", "10.1.0.1", 53);
    x = explained(r, &a);
    CHECK(!x.policy && x.sas == 0 && x.others == 1);
    CHECK_EQ(x.other[0].why, WHY_SRC);
    rig_free(r);
}

static void packets_that_cannot_be(void **state)
{
    (void)state;
    struct rig *r = tunnel(true);
    struct explain x;
    struct why why = {{0}};
    struct explain_ask a = ask(XFRM_OUT, "10.1.0.1", "fd00::1", 53);
    CHECK_EQ(explain_packet(&r->w, &a, &x, &why), ERR_SYNTAX);
    a = ask(XFRM_OUT, "fd00::2", "fd00::1", 53);
    a.proto = IPPROTO_ROUTING;
    CHECK_EQ(explain_packet(&r->w, &a, &x, &why), ERR_SYNTAX);
    a.proto = IPPROTO_TCP;
    a.len = 65536;
    CHECK_EQ(explain_packet(&r->w, &a, &x, &why), ERR_RANGE);
    for (unsigned proto = 0; proto < 256; proto++) { // whatever there is: no harm is done
        a.proto = (uint8_t)proto;
        a.len = 64 + proto;
        if (explain_packet(&r->w, &a, &x, &why) != ERR_OK) continue;
        CHECK(x.drop != DROP_NONE || x.bypass);
    }
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protected_by_its_sa),    cmocka_unit_test(waits_for_an_sa),
        cmocka_unit_test(blocked_and_in_clear),   cmocka_unit_test(inbound_only_through_its_sa),
        cmocka_unit_test(packets_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
