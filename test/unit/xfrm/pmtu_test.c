// What does not fit into the path: who is refused, what he is told, whom we believe, what the outer
// header says, and the segments that TCP may offer.
#include "test/unit/xfrm/rig.h"

#include <string.h>

#include "base/clock.h"
#include "base/order.h"
#include "xfrm/path/icmp.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/path/mss.h"
#include "xfrm/path/pmtu.h"
#include "xfrm/port/checksum.h"

#define MOON "192.0.2.1"
#define SUN "198.51.100.1"
#define SPI 0xcafe0001

static struct rig *gateway_with(uint8_t flags)
{
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, SPI);
    struct xfrm_policy p4 = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    struct xfrm_policy p6 = rig_policy(XFRM_OUT, "fd00:1::/64", "fd00:2::/64", MOON, SUN);
    x.flags |= flags;
    rig_add_sa(r, &x);
    rig_add_policy(r, &p4);
    rig_add_policy(r, &p6);
    return r;
}

// An inner packet of this length goes out.
static void out(struct rig *r, bool v6, uint32_t len, bool df)
{
    uint8_t packet[2000];
    rig_clear(r);
    if (v6) {
        (void)rig_udp(packet, "fd00:1::10", "fd00:2::10", 7, 9, len - 48);
    } else {
        (void)rig_udp(packet, "10.1.0.10", "10.2.0.10", 7, 9, len - 28);
        if (df) packet[6] = 0x40;
    }
    rig_out(r, packet, len);
}

static bool sum_is_right(const struct frame *f)
{
    bool v6 = ip_is_v6(f->at);
    uint64_t sum = 0;
    if (v6)
        sum = checksum_add16(
            checksum_add16(checksum_add(0, f->at + 8, 32), (uint16_t)(f->len - 40)), 58);
    return checksum_fold(checksum_add(sum, f->at + (v6 ? 40 : 20), f->len - (v6 ? 40 : 20))) ==
           0xffff;
}

// The sender was told that `mtu` bytes would pass.
static void told(const struct rig *r, uint32_t mtu)
{
    CHECK_EQ(r->sent.n, 0);
    CHECK_EQ(r->delivered.n, 1);
    const struct frame *f = &r->delivered.f[0];
    bool v6 = ip_is_v6(f->at);
    const uint8_t *icmp = f->at + (v6 ? 40 : 20);
    ip_t src = ip_head_src(f->at), dst = ip_head_dst(f->at),
         host = rig_ip(v6 ? "fd00:1::10" : "10.1.0.10");
    CHECK(ip_eq(&dst, &host));
    ip_t other = rig_ip(v6 ? "fd00:2::10" : "10.2.0.10");
    CHECK(ip_eq(&src, &other));
    CHECK_EQ(icmp[0], v6 ? 2 : 3);
    CHECK_EQ(icmp[1], v6 ? 0 : 4);
    CHECK_EQ(v6 ? get32(icmp + 4) : get16(icmp + 6), mtu);
    CHECK_EQ(icmp[8] >> 4, v6 ? 6 : 4); // the packet itself, up to what RFC 1812 and 4443 allow
    CHECK_EQ(f->len, v6 ? 1280 : 576);
    CHECK(sum_is_right(f));
}

static void what_does_not_fit_is_refused_with_the_right_mtu(void **state)
{
    (void)state;
    struct rig *r = gateway_with(0);
    r->link_mtu = 1400;
    // 1400 - IP 20 - ESP 8 - IV 8 - ICV 16 = 1348, trailer 2
    out(r, false, 1346, true);
    CHECK_EQ(r->sent.n, 1);
    CHECK_EQ(r->sent.f[0].len + 20, 1400);
    CHECK(r->sent.f[0].df);
    out(r, false, 1347, true);
    told(r, 1346);
    out(r, true, 1347, true);
    told(r, 1346);
    CHECK_EQ(rig_drops(r, DROP_PATH_MTU), 2);
    rig_free(r);
}

static void without_df_it_is_fragmented_after_it_was_protected(void **state)
{
    (void)state;
    struct rig *r = gateway_with(0);
    r->link_mtu = 1400;
    out(r, false, 1500, false);
    CHECK_EQ(r->sent.n, 1);
    CHECK(!r->sent.f[0].df && r->sent.f[0].path_mtu == 1400);
    r->link_mtu = 1280; // IPv6 packets of 1280 bytes may not be refused
    rig_pass(r, 20);
    out(r, true, 1280, true);
    CHECK_EQ(r->sent.n, 1);
    CHECK(!r->sent.f[0].df);
    out(r, true, 1281, true);
    told(r, 1280);
    rig_free(r);
}

// ---- ICMP from outside ----

struct lie {
    uint8_t type, code, proto;
    uint16_t mtu, offset;
    const char *src, *dst;
    uint32_t spi, cut;
    bool bad_sum;
};

static void hear(struct rig *r, const struct lie *l)
{
    struct pkt *p = pool_take(r->w.pool);
    const ip_t src = rig_ip(l->src), dst = rig_ip(l->dst);
    const struct ip_wanted w = {.src = src, .dst = dst, .next = l->proto, .payload = 1480};
    memset(p->at, 0, 64);
    p->at[0] = l->type;
    p->at[1] = l->code;
    put16(p->at + 6, l->mtu);
    (void)ip_head_make(p->at + 8, &w);
    put16(p->at + 14, l->offset);
    put32(p->at + 28, l->spi);
    p->len = 36 - l->cut;
    uint16_t sum = (uint16_t)~checksum_fold(checksum_add(0, p->at, p->len));
    checksum_write(p->at + 2, l->bad_sum ? (uint16_t)~sum : sum);
    p->to.ip = rig_ip(MOON);
    struct burst b = {.n = 1, .p = {p}};
    path_icmp(&r->w, &b);
}

static void only_icmp_that_names_our_sa_is_believed(void **state)
{
    (void)state;
    const struct lie truth = {3, 4, 50, 1300, 0, MOON, SUN, SPI, 0, false};
    struct lie lies[11];
    for (unsigned i = 0; i < 11; i++) lies[i] = truth;
    lies[0].spi++;
    lies[1].src = "192.0.2.9";
    lies[2].dst = "198.51.100.9";
    lies[3].proto = 17; // the SA is not in UDP
    lies[4].proto = 51;
    lies[5].code = 1;
    lies[6].type = 11;
    lies[7].bad_sum = true;
    lies[8].cut = 5; // the SPI is not there
    lies[9].offset = 100;
    lies[10].mtu = 1500; // as long as the packet was
    struct rig *r = gateway_with(0);
    r->link_mtu = 1500;
    for (unsigned i = 0; i < 11; i++) hear(r, &lies[i]);
    CHECK_EQ(rig_drops(r, DROP_ICMP), 11);
    out(r, false, 1400, true);
    CHECK_EQ(r->sent.n, 1);
    hear(r, &truth);
    out(r, false, 1400, true);
    told(r, 1246);
    struct lie up = truth;
    up.mtu = 1350; // never raised
    hear(r, &up);
    out(r, false, 1300, true);
    told(r, 1246);
    struct lie tiny = truth;
    tiny.mtu = 100; // never below the kernel's least
    hear(r, &tiny);
    out(r, false, 1300, true);
    told(r, PMTU_MIN4 - 54);
    rig_pass(r, 601);
    out(r, false, 1400, true);
    CHECK_EQ(r->sent.n, 1); // forgotten
    struct lie old = truth;
    old.mtu = 0; // a router that does not say: the next plateau of RFC 1191
    hear(r, &old);
    out(r, false, 1490, true);
    told(r, 1492 - 54);
    rig_free(r);
}

static void a_successor_inherits_what_was_learned(void **state)
{
    (void)state;
    const struct lie truth = {3, 4, 50, 1300, 0, MOON, SUN, SPI, 0, false};
    struct rig *r = gateway_with(0);
    hear(r, &truth);
    struct xfrm_sa x = rig_sa(MOON, SUN, SPI + 1);
    rig_add_sa(r, &x);
    rig_pass(r, 0);
    out(r, false, 1400, true);
    told(r, 1246);
    rig_free(r);
}

static void nopmtudisc_lets_routers_fragment(void **state)
{
    (void)state;
    const struct lie truth = {3, 4, 50, 1300, 0, MOON, SUN, SPI, 0, false};
    struct rig *r = gateway_with(XFRM_STATE_NOPMTUDISC);
    r->link_mtu = 1500;
    hear(r, &truth);
    out(r, false, 1400, true);
    CHECK_EQ(r->sent.n, 1);
    CHECK(!r->sent.f[0].df);
    rig_free(r);
}

static void a_flood_is_not_answered_with_a_flood(void **state)
{
    (void)state;
    struct rig *r = gateway_with(0);
    uint8_t packet[2000];
    uint32_t len = rig_udp(packet, "10.1.0.10", "10.2.0.10", 7, 9, 1400);
    packet[6] = 0x40;
    r->link_mtu = 1400;
    for (unsigned i = 0; i < 200; i++) rig_out(r, packet, len);
    CHECK_EQ(r->delivered.n, ICMP_BURST);
    rig_pass(r, 10);
    for (unsigned i = 0; i < 200; i++) rig_out(r, packet, len);
    CHECK_EQ(r->delivered.n, 2 * ICMP_BURST);
    rig_clear(r);
    rig_pass(r, 10);
    put16(packet + 6, 0x4001); // a later fragment, and an ICMP error: never answered
    rig_out(r, packet, len);
    put16(packet + 6, 0x4000);
    packet[9] = 1;
    packet[20] = 3;
    rig_out(r, packet, len);
    CHECK_EQ(r->delivered.n, 0);
    rig_free(r);
}

// ---- segments ----

// A SYN whose MSS option stands behind `nops` others; its checksum is right.
static uint32_t syn(uint8_t *buf, unsigned nops, uint16_t mss)
{
    const uint32_t len = 20 + 32;
    (void)rig_udp(buf, "10.1.0.10", "10.2.0.10", 7, 9, len - 28);
    uint8_t *tcp = buf + 20;
    buf[9] = 6;
    memset(tcp + 4, 0, 28);
    tcp[12] = 8 << 4;
    tcp[13] = 2;
    memset(tcp + 20, 1, nops);
    tcp[20 + nops] = 2;
    tcp[21 + nops] = 4;
    put16(tcp + 22 + nops, mss);
    struct ip_split s = {.len = 20, .next = 6};
    ip_transport_sum(buf, len, &s);
    return len;
}

static uint16_t tcp_sum(const uint8_t *packet, uint32_t len)
{
    uint64_t sum = checksum_add(0, packet + 12, 8);
    sum = checksum_add16(checksum_add16(sum, 6), (uint16_t)(len - 20));
    return checksum_fold(checksum_add(sum, packet + 20, len - 20));
}

static void tcp_offers_no_more_than_fits(void **state)
{
    (void)state;
    struct rig *r = gateway_with(0);
    struct sa *sa =
        sad_find(r->db->sad, &(ip_t){.family = AF_INET, .b = {198, 51, 100, 1}}, SPI, 50, 0);
    CHECK(sa != NULL);
    static const struct {
        uint16_t mss, link, offered, want;
    } rows[] = {{1000, 0, 1460, 1000},
                {1000, 0, 900, 900},
                {MSS_AUTO, 1400, 1460, 1306},
                {MSS_AUTO, 1400, 1200, 1200},
                {MSS_AUTO, 0, 1460, 1460}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (unsigned nops = 0; nops < 4; nops++) {
            struct pkt *p = pool_take(r->w.pool);
            p->len = syn(p->at, nops, rows[i].offered);
            CHECK(flow_read(p));
            p->sas[0] = sa;
            p->sa_count = 1;
            r->w.mss = rows[i].mss;
            r->link_mtu = rows[i].link;
            rig_pass(r, 20);
            (i % 2 ? mss_clamp_in : mss_clamp_out)(&r->w, p);
            CHECK_EQ(get16(p->at + 42 + nops), rows[i].want);
            CHECK_EQ(tcp_sum(p->at, p->len), 0xffff);
            pool_give(r->w.pool, p);
        }
    }
    rig_free(r);
}

static void options_that_lie_are_left_alone(void **state)
{
    (void)state;
    struct rig *r = gateway_with(0);
    r->w.mss = 500;
    for (unsigned at = 0; at < 32; at++) {
        for (unsigned value = 0; value < 256; value++) {
            struct pkt *p = pool_take(r->w.pool);
            p->len = syn(p->at, 0, 1460);
            p->at[20 + at] = (uint8_t)value;
            uint32_t len = p->len;
            if (flow_read(p)) mss_clamp_out(&r->w, p);
            CHECK_EQ(p->len, len);
            pool_give(r->w.pool, p);
        }
    }
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_refused_with_the_right_mtu),
        cmocka_unit_test(without_df_it_is_fragmented_after_it_was_protected),
        cmocka_unit_test(only_icmp_that_names_our_sa_is_believed),
        cmocka_unit_test(a_successor_inherits_what_was_learned),
        cmocka_unit_test(nopmtudisc_lets_routers_fragment),
        cmocka_unit_test(a_flood_is_not_answered_with_a_flood),
        cmocka_unit_test(tcp_offers_no_more_than_fits),
        cmocka_unit_test(options_that_lie_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
