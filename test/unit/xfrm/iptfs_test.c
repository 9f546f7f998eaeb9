// Mode iptfs (RFC 9347): two executors back to back. What goes in at one side comes out at the
// other, whole and in order, or not at all; whatever is lost, late, or made up by the peer.
#include "test/unit/xfrm/rig.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/order.h"
#include "xfrm/path/agg_path.h"
#include "xfrm/path/ip_head.h"

#define MOON "203.0.113.1"
#define SUN "203.0.113.2"
#define ALICE "10.1.0.1"
#define BOB "10.2.0.1"
#define MTU 1500
#define DELAY_US 500000

struct ends {
    struct rig *moon, *sun;
    struct xfrm_sa out, in; // the same SA
};

static struct xfrm_sa sa_of(uint8_t dir)
{
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x77);
    x.mode = XFRM_IPTFS;
    x.dir = dir;
    x.iptfs = dir == 1 ? (struct xfrm_iptfs){.drop_time_us = 1000000, .reorder_window = 3}
                       : (struct xfrm_iptfs){.max_queue = 1 << 20};
    if (dir == 2) x.replay.window = 0;
    return x;
}

static struct xfrm_policy policy_of(enum xfrm_dir dir, bool v6)
{
    struct xfrm_policy p = v6 ? rig_policy(dir, "fd01::/16", "fd02::/16", MOON, SUN)
                              : rig_policy(dir, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    p.tmpl[0].mode = XFRM_IPTFS;
    return p;
}

static void policies(struct rig *r, enum xfrm_dir dir)
{
    struct xfrm_policy p = policy_of(dir, false), p6 = policy_of(dir, true);
    rig_add_policy(r, &p);
    rig_add_policy(r, &p6);
}

static struct ends ends_of(const struct xfrm_iptfs *out, const struct xfrm_iptfs *in)
{
    struct ends e = {rig_new(), rig_new(), sa_of(2), sa_of(1)};
    if (out) e.out.iptfs = *out;
    if (in) e.in.iptfs = *in;
    e.moon->link_mtu = MTU;
    policies(e.moon, XFRM_OUT);
    policies(e.sun, XFRM_IN);
    rig_add_sa(e.moon, &e.out);
    rig_add_sa(e.sun, &e.in);
    return e;
}

static void ends_free(struct ends *e)
{
    rig_free(e->moon);
    rig_free(e->sun);
}

static void pass_us(struct rig *r, uint64_t us)
{
    r->mono += us * NSEC_PER_USEC;
    r->w.now = r->mono;
    (void)agg_run(&r->w);
}

// ---- packets that tell who they are ----

static uint32_t packet(uint8_t *buf, bool v6, uint32_t payload, uint16_t id)
{
    uint32_t n = rig_udp(buf, v6 ? "fd01::1" : ALICE, v6 ? "fd02::1" : BOB, id, 9, payload);
    return n;
}

static struct pkt *pkt_of(struct rig *r, const uint8_t *at, uint32_t len)
{
    struct pkt *p = pool_take(r->w.pool);
    assert_non_null(p);
    memcpy(p->at, at, len);
    p->len = len;
    return p;
}

// n packets in one burst.
static void burst_out(struct rig *r, unsigned n, uint32_t payload, uint16_t id)
{
    static uint8_t buf[70000];
    struct burst b = {.n = 0};
    for (unsigned i = 0; i < n; i++) {
        uint32_t len = packet(buf, false, payload, (uint16_t)(id + i));
        b.p[b.n++] = pkt_of(r, buf, len);
    }
    path_out(&r->w, &b);
}

static uint16_t id_of(const struct frame *f)
{
    return get16(f->at + (ip_is_v6(f->at) ? 40 : 20));
}

static void is_packet(const struct frame *f, bool v6, uint32_t payload, uint16_t id)
{
    static uint8_t want[70000];
    uint32_t len = packet(want, v6, payload, id);
    CHECK_EQ(f->len, len);
    assert_memory_equal(f->at, want, len);
}

static void all_in(const struct ends *e)
{
    for (unsigned i = 0; i < e->moon->sent.n; i++) rig_in(e->sun, &e->moon->sent.f[i]);
}

// A payload of our own making goes through moon's SA.
static void send_payload(struct ends *e, const void *at, uint32_t len)
{
    struct pkt *p = pkt_of(e->moon, at, len);
    const struct xfrm_sa_id id = sad_id(&e->out);
    p->filled = true;
    p->sa = p->sas[p->sa_count++] = sad_get(e->moon->db->sad, &id);
    struct burst b = {.n = 1, .p = {p}};
    path_payloads(&e->moon->w, &b);
}

static void give_payload(struct ends *e, const void *at, uint32_t len)
{
    send_payload(e, at, len);
    rig_in(e->sun, &e->moon->sent.f[e->moon->sent.n - 1]);
}

// ---- outbound ----

static void a_burst_leaves_together(void **state)
{
    (void)state;
    struct ends e = ends_of(NULL, NULL);
    burst_out(e.moon, 5, 100, 1);
    CHECK_EQ(e.moon->sent.n, 1);
    const struct frame *f = &e.moon->sent.f[0];
    CHECK_EQ(f->tos, 0);
    CHECK(f->df);
    CHECK_EQ(f->proto, XFRM_PROTO_ESP);
    all_in(&e);
    CHECK_EQ(e.sun->delivered.n, 5);
    for (unsigned i = 0; i < 5; i++) {
        is_packet(&e.sun->delivered.f[i], false, 100, (uint16_t)(1 + i));
    }
    CHECK_EQ(e.moon->w.packets_out, 5);
    CHECK_EQ(e.moon->w.bytes_out, 5 * 128);
    CHECK_EQ(e.sun->w.packets_in, 5);
    CHECK_EQ(rig_all_drops(e.moon) + rig_all_drops(e.sun), 0);
    ends_free(&e);
}

static void the_delay_lets_others_come_along(void **state)
{
    (void)state;
    struct ends e =
        ends_of(&(struct xfrm_iptfs){.max_queue = 1 << 20, .init_delay_us = DELAY_US}, NULL);
    for (uint16_t i = 0; i < 4; i++) {
        burst_out(e.moon, 1, 56, i);
        pass_us(e.moon, DELAY_US / 5);
    }
    CHECK_EQ(e.moon->sent.n, 0);
    pass_us(e.moon, DELAY_US / 5); // counts from the first packet on
    CHECK_EQ(e.moon->sent.n, 1);
    all_in(&e);
    CHECK_EQ(e.sun->delivered.n, 4);
    burst_out(e.moon, 1, 56, 9); // and anew
    CHECK_EQ(agg_run(&e.moon->w), e.moon->mono + DELAY_US * NSEC_PER_USEC);
    CHECK_EQ(e.moon->sent.n, 1);
    pass_us(e.moon, DELAY_US);
    CHECK_EQ(e.moon->sent.n, 2);
    CHECK_EQ(agg_run(&e.moon->w), UINT64_MAX);
    ends_free(&e);
}

static void long_packets_are_cut(void **state)
{
    (void)state;
    struct ends e = ends_of(NULL, NULL);
    burst_out(e.moon, 1, 4000, 1);
    CHECK_EQ(e.moon->sent.n, 3);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(e.moon->sent.f[i].len + 20 <= MTU);
        if (i < 2) CHECK(e.moon->sent.f[i].len + 20 > MTU - 4); // full
    }
    all_in(&e);
    CHECK_EQ(e.sun->delivered.n, 1);
    is_packet(&e.sun->delivered.f[0], false, 4000, 1);
    rig_clear(e.moon);
    rig_clear(e.sun);
    burst_out(e.moon, 40, 900, 7); // none of them ends with a payload
    CHECK(e.moon->sent.n <= 40 * 928 / (MTU - 60) + 1);
    all_in(&e);
    CHECK_EQ(e.sun->delivered.n, 40);
    for (unsigned i = 0; i < 40; i++)
        is_packet(&e.sun->delivered.f[i], false, 900, (uint16_t)(7 + i));
    CHECK_EQ(rig_all_drops(e.moon) + rig_all_drops(e.sun), 0);
    ends_free(&e);
}

static void every_size_of_both_families(void **state)
{
    (void)state;
    static uint8_t buf[70000];
    struct ends e = ends_of(NULL, NULL);
    e.moon->link_mtu = 700;
    for (uint32_t payload = 0, id = 0; payload < 65000; payload += payload < 1500 ? 1 : 3137) {
        struct burst b = {.n = 0};
        for (unsigned v6 = 0; v6 < 2; v6++) {
            uint32_t len = packet(buf, v6, payload, (uint16_t)(id + v6));
            b.p[b.n++] = pkt_of(e.moon, buf, len);
        }
        path_out(&e.moon->w, &b);
        all_in(&e);
        CHECK_EQ(e.sun->delivered.n, 2);
        for (unsigned v6 = 0; v6 < 2; v6++)
            is_packet(&e.sun->delivered.f[v6], v6, payload, (uint16_t)(id + v6));
        rig_clear(e.moon);
        rig_clear(e.sun);
        id += 2;
    }
    CHECK_EQ(rig_all_drops(e.moon) + rig_all_drops(e.sun), 0);
    ends_free(&e);
}

static void pkt_size_bounds_what_is_on_the_wire(void **state)
{
    (void)state;
    struct ends e = ends_of(&(struct xfrm_iptfs){.max_queue = 1 << 20, .pkt_size = 600}, NULL);
    burst_out(e.moon, 3, 1000, 1);
    CHECK(e.moon->sent.n >= 6);
    for (unsigned i = 0; i < e.moon->sent.n; i++) CHECK(e.moon->sent.f[i].len + 20 <= 600);
    all_in(&e);
    CHECK_EQ(e.sun->delivered.n, 3);
    ends_free(&e);
}

static void dont_frag_keeps_packets_whole(void **state)
{
    (void)state;
    static uint8_t buf[4000];
    struct ends e = ends_of(&(struct xfrm_iptfs){.max_queue = 1 << 20, .dont_frag = true}, NULL);
    burst_out(e.moon, 3, 600, 1); // two fit
    CHECK_EQ(e.moon->sent.n, 2);
    rig_in(e.sun, &e.moon->sent.f[1]); // each is good without the other
    CHECK_EQ(e.sun->delivered.n, 0);   // but for their order
    rig_in(e.sun, &e.moon->sent.f[0]);
    CHECK_EQ(e.sun->delivered.n, 3);
    rig_clear(e.moon);
    rig_clear(e.sun);
    uint32_t len = packet(buf, false, 2000, 4);
    rig_out(e.moon, buf, len); // may be fragmented on its way
    CHECK_EQ(e.moon->sent.n, 1);
    CHECK(!e.moon->sent.f[0].df);
    CHECK_EQ(e.moon->sent.f[0].len > 2000, 1);
    all_in(&e);
    CHECK_EQ(e.sun->delivered.n, 1);
    rig_clear(e.moon);
    buf[6] |= 0x40; // and may not
    put16(buf + 10, (uint16_t)(get16(buf + 10) - 0x4000));
    rig_out(e.moon, buf, len);
    CHECK_EQ(e.moon->sent.n, 0);
    CHECK_EQ(rig_drops(e.moon, DROP_PATH_MTU), 1);
    CHECK_EQ(e.moon->delivered.n, 1); // its sender is told
    ends_free(&e);
}

static void the_queue_is_bounded_and_tells_of_congestion(void **state)
{
    (void)state;
    uint8_t buf[200];
    struct ends e = ends_of(&(struct xfrm_iptfs){.max_queue = 2500, .init_delay_us = 1000}, NULL);
    for (uint16_t i = 0; i < 21; i++) {
        uint32_t len = packet(buf, false, 100, i);
        buf[1] = 2; // knows ECN
        put16(buf + 10, (uint16_t)(get16(buf + 10) - 2));
        rig_out(e.moon, buf, len);
    }
    CHECK_EQ(rig_drops(e.moon, DROP_IPTFS_QUEUE), 2);
    pass_us(e.moon, 1000);
    all_in(&e);
    CHECK_EQ(e.sun->delivered.n, 19);
    CHECK_EQ(e.sun->delivered.f[0].at[1], 2);
    CHECK_EQ(e.sun->delivered.f[18].at[1], 2);
    ends_free(&e);
    e = ends_of(&(struct xfrm_iptfs){.max_queue = 10 * 128, .init_delay_us = 1000}, NULL);
    for (uint16_t i = 0; i < 10; i++) {
        uint32_t len = packet(buf, false, i == 9 ? 28 : 108, i); // nine fill 95 of 100 parts
        buf[1] = 2;
        put16(buf + 10, (uint16_t)(get16(buf + 10) - 2));
        rig_out(e.moon, buf, len);
    }
    pass_us(e.moon, 1000);
    all_in(&e);
    CHECK_EQ(e.sun->delivered.n, 10);
    CHECK_EQ(e.sun->delivered.f[8].at[1], 2);
    CHECK_EQ(e.sun->delivered.f[9].at[1], 3);
    ends_free(&e);
}

static void what_waits_finds_the_successor(void **state)
{
    (void)state;
    struct ends e =
        ends_of(&(struct xfrm_iptfs){.max_queue = 1 << 20, .init_delay_us = DELAY_US}, NULL);
    burst_out(e.moon, 3, 100, 1);
    struct xfrm_sa heir = e.out, heir_in = e.in;
    struct xfrm_sa_id id = sad_id(&e.out);
    heir.spi = heir_in.spi = 0x78;
    rig_add_sa(e.moon, &heir);
    rig_add_sa(e.sun, &heir_in);
    CHECK_OK(e.moon->api.ops->sa_del(e.moon->api.ctx, &id));
    pass_us(e.moon, DELAY_US);
    pass_us(e.moon, DELAY_US);
    CHECK_EQ(e.moon->sent.n, 1);
    all_in(&e);
    CHECK_EQ(e.sun->delivered.n, 3);
    CHECK_EQ(rig_all_drops(e.moon) + rig_all_drops(e.sun), 0);
    // without one it is asked for, and nothing leaves in clear
    burst_out(e.moon, 1, 100, 4);
    id = sad_id(&heir);
    CHECK_OK(e.moon->api.ops->sa_del(e.moon->api.ctx, &id));
    rig_clear(e.moon);
    pass_us(e.moon, DELAY_US);
    CHECK_EQ(e.moon->sent.n + e.moon->bypassed.n, 0);
    CHECK_EQ(hold_count(e.moon->w.hold), 1);
    ends_free(&e);
}

// ---- inbound: order ----

// Frames 1 to n, one packet each.
static struct ends numbered(unsigned n, const struct xfrm_iptfs *in)
{
    struct ends e = ends_of(NULL, in);
    for (unsigned i = 1; i <= n; i++) burst_out(e.moon, 1, 100, (uint16_t)i);
    CHECK_EQ(e.moon->sent.n, n);
    return e;
}

static void in_frame(struct ends *e, unsigned number)
{
    rig_in(e->sun, &e->moon->sent.f[number - 1]);
}

static void delivered_ids(const struct ends *e, const char *want)
{
    char got[100] = "";
    for (unsigned i = 0; i < e->sun->delivered.n; i++) {
        size_t at = strlen(got);
        (void)snprintf(got + at, sizeof got - at, "%s%u", i ? " " : "",
                       id_of(&e->sun->delivered.f[i]));
    }
    CHECK_STR(got, want);
}

static void the_window_brings_order(void **state)
{
    (void)state;
    struct ends e = numbered(12, NULL);
    in_frame(&e, 1);
    in_frame(&e, 3);
    in_frame(&e, 4);
    delivered_ids(&e, "1");
    in_frame(&e, 2);
    delivered_ids(&e, "1 2 3 4");
    in_frame(&e, 8); // 5 to 7 are waited for
    delivered_ids(&e, "1 2 3 4");
    in_frame(&e, 9); // not for 5 any more: three behind what comes is all
    in_frame(&e, 6);
    delivered_ids(&e, "1 2 3 4 6");
    in_frame(&e, 5);
    CHECK_EQ(rig_drops(e.sun, DROP_IPTFS_LATE), 1);
    in_frame(&e, 7);
    delivered_ids(&e, "1 2 3 4 6 7 8 9");
    ends_free(&e);
}

static void the_time_ends_the_waiting(void **state)
{
    (void)state;
    struct ends e = numbered(9, NULL);
    in_frame(&e, 1);
    in_frame(&e, 3);
    in_frame(&e, 5);
    pass_us(e.sun, 999999);
    delivered_ids(&e, "1");
    pass_us(e.sun, 1);
    delivered_ids(&e, "1 3"); // and for 4 it begins anew
    pass_us(e.sun, 1000000);
    delivered_ids(&e, "1 3 5");
    in_frame(&e, 4);
    CHECK_EQ(rig_drops(e.sun, DROP_IPTFS_LATE), 1);
    CHECK_EQ(agg_run(&e.sun->w), UINT64_MAX);
    in_frame(&e, 6);
    delivered_ids(&e, "1 3 5 6");
    ends_free(&e);
}

static void without_a_window_they_go_as_they_come(void **state)
{
    (void)state;
    struct ends e = numbered(5, &(struct xfrm_iptfs){.drop_time_us = 1000});
    in_frame(&e, 2);
    in_frame(&e, 1);
    in_frame(&e, 5);
    in_frame(&e, 4);
    delivered_ids(&e, "2 1 5 4");
    CHECK_EQ(rig_all_drops(e.sun), 0);
    ends_free(&e);
}

static void no_window_is_without_end(void **state)
{
    (void)state;
    struct ends e =
        numbered(AGG_WINDOW_MAX + 3,
                 &(struct xfrm_iptfs){.drop_time_us = 1000, .reorder_window = UINT16_MAX});
    for (unsigned i = 2; i <= AGG_WINDOW_MAX + 1; i++) in_frame(&e, i);
    CHECK_EQ(e.sun->delivered.n, 0);
    in_frame(&e, AGG_WINDOW_MAX + 2);
    CHECK_EQ(e.sun->delivered.n, AGG_WINDOW_MAX + 1);
    ends_free(&e);
}

static void a_removed_sa_forgets_what_waited(void **state)
{
    (void)state;
    struct ends e = numbered(3, NULL);
    in_frame(&e, 2);
    in_frame(&e, 3);
    const struct xfrm_sa_id id = sad_id(&e.in);
    CHECK_OK(e.sun->api.ops->sa_del(e.sun->api.ctx, &id));
    rig_pass(e.sun, 0);
    rcu_barrier();
    pass_us(e.sun, 1000000);
    CHECK_EQ(e.sun->delivered.n, 0);
    CHECK_EQ(rig_drops(e.sun, DROP_IPTFS), 2);
    ends_free(&e);
}

// ---- inbound: what a peer may say ----

static void dummy_packets_and_padding_carry_nothing(void **state)
{
    (void)state;
    static const uint8_t empty[4], padding[900] = {0}, cc[24] = {1};
    uint8_t buf[600], payload[700] = {1}; // with a header for congestion control
    struct ends e = ends_of(NULL, NULL);
    give_payload(&e, empty, sizeof empty);
    give_payload(&e, padding, sizeof padding);
    give_payload(&e, cc, sizeof cc);
    CHECK_EQ(e.sun->delivered.n, 0);
    uint32_t len = packet(buf, false, 500, 1);
    memcpy(payload + 24, buf, len);
    give_payload(&e, payload, sizeof payload); // padded to the end
    CHECK_EQ(e.sun->delivered.n, 1);
    is_packet(&e.sun->delivered.f[0], false, 500, 1);
    CHECK_EQ(rig_all_drops(e.sun), 0);
    ends_free(&e);
}

static void padding_may_come_between_fragments(void **state)
{
    (void)state;
    static const uint8_t padding[40] = {0};
    uint8_t buf[600], first[404] = {0}, rest[204] = {0};
    struct ends e = ends_of(NULL, NULL);
    uint32_t len = packet(buf, true, 500, 1);
    memcpy(first + 4, buf, 400);
    put16(rest + 2, (uint16_t)(len - 400));
    memcpy(rest + 4, buf + 400, len - 400);
    give_payload(&e, first, 404);
    give_payload(&e, padding, sizeof padding);
    give_payload(&e, rest, 4 + len - 400);
    CHECK_EQ(e.sun->delivered.n, 1);
    is_packet(&e.sun->delivered.f[0], true, 500, 1);
    ends_free(&e);
}

// Its first bytes come one by one, so that not even its length is known at first.
static void headers_in_pieces(void **state)
{
    (void)state;
    uint8_t buf[600], one[5] = {0};
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct ends e = ends_of(NULL, NULL);
        uint32_t len = packet(buf, v6, 60, 1);
        for (uint32_t i = 0; i < len; i++) {
            put16(one + 2, (uint16_t)(i ? len - i : 0));
            one[4] = buf[i];
            give_payload(&e, one, sizeof one);
            CHECK_EQ(e.sun->delivered.n, i + 1 == len);
        }
        is_packet(&e.sun->delivered.f[0], v6, 60, 1);
        CHECK_EQ(rig_all_drops(e.sun), 0);
        ends_free(&e);
    }
}

// How many packets of a kind are dropped for this payload, after the first part of a packet of 128
// bytes of which 100 are missing; and a whole packet gets through afterwards.
static void nonsense(const uint8_t *at, uint32_t len, enum drop word)
{
    uint8_t buf[200], first[32] = {0}, whole[132] = {0};
    struct ends e = ends_of(NULL, NULL);
    (void)packet(buf, false, 100, 1);
    memcpy(first + 4, buf, 28);
    memcpy(whole + 4, buf, 128);
    give_payload(&e, first, sizeof first);
    CHECK_EQ(e.sun->delivered.n, 0);
    give_payload(&e, at, len);
    CHECK_EQ(e.sun->delivered.n, 0);
    CHECK(rig_drops(e.sun, word) > 0);
    give_payload(&e, whole, sizeof whole);
    CHECK_EQ(e.sun->delivered.n, 1);
    ends_free(&e);
}

static void contradictions_end_where_they_are(void **state)
{
    (void)state;
    uint8_t p[200] = {0};
    nonsense(p, 3, DROP_IPTFS); // no header
    p[0] = 2;
    nonsense(p, 100, DROP_IPTFS); // of a kind that nobody knows
    p[0] = 1;
    nonsense(p, 23, DROP_IPTFS); // cut short
    p[0] = 0;
    put16(p + 2, 99);
    nonsense(p, 104, DROP_IPTFS); // one byte less than was missing
    put16(p + 2, 101);
    nonsense(p, 105, DROP_IPTFS); // one more
    put16(p + 2, UINT16_MAX);
    nonsense(p, 60, DROP_IPTFS);
    put16(p + 2, 0);
    p[4] = 0x45; // another packet, and the rest of the first never comes
    put16(p + 6, 19);
    nonsense(p, 104, DROP_IPTFS);
    p[4] = 0x77;
    nonsense(p, 104, DROP_IPTFS);
    p[4] = 0x41; // as long as it says, but no header
    put16(p + 6, 100);
    nonsense(p, 104, DROP_MALFORMED_IN);
}

static void nothing_leaks_in(void **state)
{
    (void)state;
    uint8_t buf[200], payload[140] = {0};
    struct ends e = ends_of(NULL, NULL);
    uint32_t len = rig_udp(buf, "192.168.7.7", BOB, 1, 2, 100);
    memcpy(payload + 4, buf, len);
    give_payload(&e, payload, 4 + len);
    CHECK_EQ(e.sun->delivered.n, 0);
    CHECK_EQ(rig_drops(e.sun, DROP_NO_POLICY_IN), 1);
    ends_free(&e);
    // a policy that wants a tunnel is not served by this mode, nor the other way round
    for (unsigned turned = 0; turned < 2; turned++) {
        e = (struct ends){rig_new(), rig_new(), sa_of(2), sa_of(1)};
        struct xfrm_policy p = policy_of(XFRM_OUT, false);
        if (turned) e.in.mode = e.out.mode = p.tmpl[0].mode = XFRM_TUNNEL;
        rig_add_policy(e.moon, &p);
        p.dir = XFRM_IN;
        p.tmpl[0].mode = turned ? XFRM_IPTFS : XFRM_TUNNEL;
        rig_add_policy(e.sun, &p);
        rig_add_sa(e.moon, &e.out);
        rig_add_sa(e.sun, &e.in);
        burst_out(e.moon, 1, 100, 1);
        all_in(&e);
        CHECK_EQ(e.sun->delivered.n, 0);
        CHECK_EQ(rig_drops(e.sun, DROP_TEMPLATE), 1);
        ends_free(&e);
    }
}

// A tunnel's packets do not pass an SA of this mode.
static void other_contents_are_refused(void **state)
{
    (void)state;
    struct ends e = {rig_new(), rig_new(), sa_of(2), sa_of(1)};
    struct xfrm_policy p = policy_of(XFRM_OUT, false);
    e.out.mode = p.tmpl[0].mode = XFRM_TUNNEL;
    rig_add_policy(e.moon, &p);
    policies(e.sun, XFRM_IN);
    rig_add_sa(e.moon, &e.out);
    rig_add_sa(e.sun, &e.in);
    burst_out(e.moon, 1, 100, 1);
    all_in(&e);
    CHECK_EQ(e.sun->delivered.n, 0);
    CHECK_EQ(rig_drops(e.sun, DROP_MODE), 1);
    ends_free(&e);
}

// As many packets as a payload can hold: more than a burst.
static void a_payload_of_thousands(void **state)
{
    (void)state;
    static uint8_t payload[30004];
    uint8_t buf[100];
    struct ends e = ends_of(NULL, NULL);
    for (unsigned i = 0; i < 500; i++) {
        uint32_t len = packet(buf, false, 32, (uint16_t)i);
        CHECK_EQ(len, 60);
        memcpy(payload + 4 + i * 60, buf, len);
    }
    give_payload(&e, payload, sizeof payload);
    CHECK_EQ(e.sun->delivered.n, 500);
    for (unsigned i = 0; i < 500; i++) CHECK_EQ(id_of(&e.sun->delivered.f[i]), i);
    CHECK_EQ(rig_all_drops(e.sun), 0);
    ends_free(&e);
}

static void congestion_is_told_inside(void **state)
{
    (void)state;
    uint8_t buf[3000];
    struct ends e = ends_of(NULL, NULL);
    for (unsigned ect = 0; ect < 2; ect++) {
        uint32_t len = packet(buf, false, 2500, 1);
        buf[1] = ect ? 2 : 0;
        put16(buf + 10, (uint16_t)(get16(buf + 10) - buf[1]));
        rig_out(e.moon, buf, len);
        CHECK_EQ(e.moon->sent.n, 2);
        e.moon->sent.f[1].tos = 3;
        all_in(&e);
        CHECK_EQ(e.sun->delivered.n, 1);
        CHECK_EQ(e.sun->delivered.f[0].at[1], ect ? 3 : 0);
        rig_clear(e.moon);
        rig_clear(e.sun);
    }
    ends_free(&e);
}

// ---- random streams ----

struct stream {
    uint16_t next;       // id of the next packet
    uint32_t size[4096]; // payload of each
};

static uint32_t dice(uint32_t *seed, uint32_t n)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % n;
}

static void stream_out(struct ends *e, struct stream *s, uint32_t *seed)
{
    static uint8_t buf[10000];
    struct burst b = {.n = 0};
    for (unsigned n = 1 + dice(seed, 20); n > 0; n--) {
        s->size[s->next] = dice(seed, 8) ? dice(seed, 200) : dice(seed, 8000);
        uint32_t len = packet(buf, s->next & 1, s->size[s->next], s->next);
        b.p[b.n++] = pkt_of(e->moon, buf, len);
        s->next++;
    }
    path_out(&e->moon->w, &b);
}

// Neighbours change places, a few are lost.
static void shuffle(struct frames *fs, unsigned *order, uint32_t *seed, unsigned lost_of_100)
{
    for (unsigned i = 0; i < fs->n; i++) order[i] = dice(seed, 100) < lost_of_100 ? UINT32_MAX : i;
    for (unsigned i = 0; i + 3 < fs->n; i++) {
        unsigned k = i + dice(seed, 4), kept = order[i];
        if (dice(seed, 3)) continue;
        order[i] = order[k];
        order[k] = kept;
        i += 3;
    }
}

static void random_stream(uint32_t seed, unsigned lost_of_100)
{
    struct stream s = {.next = 0};
    unsigned order[RIG_FRAMES], got = 0;
    int last = -1;
    struct ends e = ends_of(NULL, NULL);
    for (unsigned turn = 0; turn < 40; turn++) {
        stream_out(&e, &s, &seed);
        shuffle(&e.moon->sent, order, &seed, lost_of_100);
        for (unsigned i = 0; i < e.moon->sent.n; i++) {
            if (order[i] != UINT32_MAX) rig_in(e.sun, &e.moon->sent.f[order[i]]);
        }
        pass_us(e.sun, 2000000); // what is missing is lost
        for (unsigned i = 0; i < e.sun->delivered.n; i++) {
            const struct frame *f = &e.sun->delivered.f[i];
            uint16_t id = id_of(f);
            CHECK((int)id > last);
            last = id;
            is_packet(f, id & 1, s.size[id], id);
        }
        got += e.sun->delivered.n;
        rig_clear(e.moon);
        rig_clear(e.sun);
    }
    if (lost_of_100 == 0) CHECK_EQ(got, s.next);
    CHECK(got > s.next / 3U);
    ends_free(&e);
}

static void random_streams(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 8; seed++) random_stream(seed, seed % 2 ? 0 : 5);
}

// ---- what is refused ----

static void not_taken(const struct rig *r, const struct xfrm_sa *x)
{
    struct why why = {""};
    CHECK_EQ(r->api.ops->sa_add(r->api.ctx, x, &why), ERR_RANGE);
    CHECK(why.text[0]);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct why why = {""};
    struct xfrm_sa x = sa_of(2);
    x.iptfs.pkt_size = AGG_PKT_SIZE_MIN - 1;
    not_taken(r, &x);
    x = sa_of(2);
    x.tfcpad = 100;
    not_taken(r, &x);
    x = sa_of(0);
    not_taken(r, &x);
    struct xfrm_policy p = policy_of(XFRM_OUT, false);
    p.tmpl[p.tmpl_count++] = p.tmpl[0];
    CHECK_EQ(r->api.ops->policy_add(r->api.ctx, &p, false, &why), ERR_RANGE);
    CHECK(strstr(why.text, "stands alone"));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_leaves_together),
        cmocka_unit_test(the_delay_lets_others_come_along),
        cmocka_unit_test(long_packets_are_cut),
        cmocka_unit_test(every_size_of_both_families),
        cmocka_unit_test(pkt_size_bounds_what_is_on_the_wire),
        cmocka_unit_test(dont_frag_keeps_packets_whole),
        cmocka_unit_test(the_queue_is_bounded_and_tells_of_congestion),
        cmocka_unit_test(what_waits_finds_the_successor),
        cmocka_unit_test(the_window_brings_order),
        cmocka_unit_test(the_time_ends_the_waiting),
        cmocka_unit_test(without_a_window_they_go_as_they_come),
        cmocka_unit_test(no_window_is_without_end),
        cmocka_unit_test(a_removed_sa_forgets_what_waited),
        cmocka_unit_test(dummy_packets_and_padding_carry_nothing),
        cmocka_unit_test(padding_may_come_between_fragments),
        cmocka_unit_test(headers_in_pieces),
        cmocka_unit_test(contradictions_end_where_they_are),
        cmocka_unit_test(nothing_leaks_in),
        cmocka_unit_test(other_contents_are_refused),
        cmocka_unit_test(a_payload_of_thousands),
        cmocka_unit_test(congestion_is_told_inside),
        cmocka_unit_test(random_streams),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
