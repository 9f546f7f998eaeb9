// IPComp (RFC 3173): what shrinks and what does not, alone and inside ESP, the companion SA for
// the latter, and streams that nobody should have sent.
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/order.h"
#include "test/unit/xfrm/gram.h"
#include "test/unit/xfrm/modes.h"
#include "xfrm/path/comp.h"
#include "xfrm/path/ip_head.h"

#define CPI 0x1234

static uint32_t head_len(unsigned v6)
{
    return v6 ? IP6_HEADER : IP4_HEADER;
}

static void make_random(uint8_t *at, uint32_t n)
{
    uint64_t state = 7;
    for (uint32_t i = 0; i < n; i++) at[i] = (uint8_t)gram_random(&state);
}

// ---- both ways ----

static void check_shape(const struct frame *f, uint8_t mode, unsigned in_v6, uint32_t payload)
{
    bool small = payload < COMP_PAYLOAD_MIN;
    CHECK_EQ(f->whole, small && mode == XFRM_TRANSPORT);
    uint8_t plain = in_v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
    if (mode == XFRM_TUNNEL) CHECK_EQ(f->proto, small ? plain : IPPROTO_COMP);
    if (small) return;
    CHECK(f->len < payload);
    CHECK_EQ(f->at[0], mode == XFRM_TUNNEL ? plain : IPPROTO_UDP);
    CHECK_EQ(f->at[1], 0);
    CHECK_EQ(get16(f->at + 2), CPI);
}

static void carry(struct pair *p, uint8_t mode, unsigned in_v6, uint32_t data)
{
    uint8_t packet[9300];
    uint32_t len = from_host(packet, in_v6, data), payload = len;
    if (mode == XFRM_TRANSPORT) payload -= head_len(in_v6);
    const struct frame *f = sent(p, packet, len);
    check_shape(f, mode, in_v6, payload);
    if (f->whole) { // as it was: no business of the other executor
        same_packet(f, packet, len);
        return;
    }
    same_packet(received(p, f), packet, len);
}

static void what_shrinks_and_what_is_too_small(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        unsigned in_v6 = i & 1, out_v6 = i >> 1 & 1;
        uint8_t mode = i >> 2 ? XFRM_TUNNEL : XFRM_TRANSPORT;
        if (mode == XFRM_TRANSPORT && in_v6 != out_v6) continue;
        struct link l = link_of(XFRM_PROTO_COMP, mode, out_v6, CPI);
        l.t.optional = 1;
        struct pair p = pair_of(&l, 1);
        for (uint32_t data = 0; data < 130; data++) carry(&p, mode, in_v6, data);
        carry(&p, mode, in_v6, 1400);
        carry(&p, mode, in_v6, 8900);
        CHECK_EQ(rig_all_drops(p.moon) + rig_all_drops(p.sun), 0);
        pair_free(&p);
    }
}

// rfc3173 2.2 MUST: sent as it is when it does not shrink
static void what_does_not_shrink(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_COMP, XFRM_TUNNEL, 0, CPI);
    l.t.optional = 1;
    struct pair p = pair_of(&l, 1);
    uint8_t packet[1500];
    uint32_t len = from_host(packet, 0, 1000);
    make_random(packet + 28, 1000);
    const struct frame *f = sent(&p, packet, len);
    CHECK_EQ(f->proto, IPPROTO_IPIP);
    CHECK_EQ(f->len, len);
    same_packet(received(&p, f), packet, len);
    pair_free(&p);
}

// COMP inside, ESP outside, as IKE daemons ask for it; the packet that does not shrink, too.
static void inside_esp(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        unsigned in_v6 = i & 1, out_v6 = i >> 1 & 1, esp_tunnel = i >> 2;
        // an SA of transport mode has one family, and what is inside the tunnel must fit it
        if (!esp_tunnel && in_v6 != out_v6) continue;
        struct link l[2] = {
            link_of(XFRM_PROTO_COMP, esp_tunnel ? XFRM_TRANSPORT : XFRM_TUNNEL,
                    esp_tunnel ? in_v6 : out_v6, CPI),
            link_of(XFRM_PROTO_ESP, esp_tunnel ? XFRM_TUNNEL : XFRM_TRANSPORT, out_v6, 0x100)};
        l[0].t.optional = 1;
        struct pair p = pair_of(l, 2);
        for (uint32_t data = 0; data < 3000; data = data * 2 + 1) {
            uint8_t packet[4000];
            uint32_t len = from_host(packet, in_v6, data);
            const struct frame *f = sent(&p, packet, len);
            CHECK_EQ(f->proto, XFRM_PROTO_ESP);
            if (data > 300) CHECK(f->len < len);
            same_packet(received(&p, f), packet, len);
        }
        pair_free(&p);
    }
}

static void around_others(void **state)
{
    (void)state;
    // AH around ESP around IPComp, all in transport mode; ESP around ESP; IPComp around ESP, which
    // never shrinks
    static const uint8_t chains[3][3] = {
        {XFRM_PROTO_COMP, XFRM_PROTO_ESP, XFRM_PROTO_AH},
        {XFRM_PROTO_ESP, XFRM_PROTO_ESP, XFRM_PROTO_AH},
        {XFRM_PROTO_ESP, XFRM_PROTO_COMP, XFRM_PROTO_AH},
    };
    for (unsigned i = 0; i < 6; i++) {
        struct link l[3];
        for (unsigned k = 0; k < 3; k++)
            l[k] = link_of(chains[i / 2][k], XFRM_TRANSPORT, i & 1, 0x100 * (k + 1));
        for (unsigned k = 0; k < 3; k++) l[k].t.optional = l[k].x.proto == XFRM_PROTO_COMP;
        struct pair p = pair_of(l, 3);
        for (uint32_t data = 0; data < 1500; data = data * 2 + 1) {
            uint8_t packet[2000];
            uint32_t len = from_host(packet, i & 1, data);
            same_packet(received(&p, sent(&p, packet, len)), packet, len);
        }
        pair_free(&p);
    }
}

// ---- the companion ----

static const struct xfrm_sa *listed;

static bool note_plain(void *arg, const struct xfrm_sa *x)
{
    static struct xfrm_sa kept;
    if (!sa_is_plain(x)) return true;
    kept = *x;
    listed = &kept;
    ++*(unsigned *)arg;
    return true;
}

static unsigned companions(struct rig *r)
{
    unsigned n = 0;
    listed = NULL;
    CHECK_OK(r->api.ops->sa_each(r->api.ctx, note_plain, &n));
    CHECK_EQ(sad_count_plain(r->db->sad), n);
    return n;
}

// By its two ends, and only to be looked at.
static void the_companion_by_name(struct rig *r, const struct xfrm_sa *comp)
{
    struct xfrm_sa got;
    struct xfrm_sa_id id = {.daddr = comp->daddr, .proto = IPPROTO_IPIP, .saddr = comp->saddr};
    CHECK_OK(r->api.ops->sa_get(r->api.ctx, &id, &got));
    CHECK(got.plain && got.spi == 0xcb007101);
    CHECK_EQ(r->api.ops->sa_del(r->api.ctx, &id), ERR_PERMISSION);
    id.proto = IPPROTO_IPV6;
    CHECK_EQ(r->api.ops->sa_get(r->api.ctx, &id, &got), ERR_NOTFOUND);
    CHECK_EQ(r->api.ops->sa_del(r->api.ctx, &id), ERR_NOTFOUND);
    id = (struct xfrm_sa_id){.daddr = comp->daddr, .proto = IPPROTO_IPIP, .saddr = comp->daddr};
    CHECK_EQ(r->api.ops->sa_get(r->api.ctx, &id, &got), ERR_NOTFOUND);
    id.saddr = (ip_t){0};
    CHECK_EQ(r->api.ops->sa_del(r->api.ctx, &id), ERR_NOTFOUND);
    CHECK_EQ(companions(r), 1);
}

static void the_companion_comes_and_goes(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    const struct xfrm_ops *ops = r->api.ops;
    struct link a = link_of(XFRM_PROTO_COMP, XFRM_TUNNEL, 0, CPI), b = a,
                v6 = link_of(XFRM_PROTO_COMP, XFRM_TUNNEL, 1, CPI);
    b.x.spi++;
    rig_add_sa(r, &a.x);
    CHECK_EQ(companions(r), 1);
    CHECK_EQ(listed->spi, 0xcb007101); // the source address
    CHECK_EQ(listed->proto, 4);
    CHECK_EQ(listed->mode, XFRM_TUNNEL);
    CHECK_EQ(listed->flags, a.x.flags);
    CHECK_EQ(listed->reqid, 0);
    the_companion_by_name(r, &a.x);
    rig_add_sa(r, &b.x);
    CHECK_EQ(companions(r), 1);
    struct xfrm_sa_id id = sad_id(&a.x);
    CHECK_OK(ops->sa_del(r->api.ctx, &id));
    CHECK_EQ(companions(r), 1);
    id = sad_id(&b.x);
    CHECK_OK(ops->sa_del(r->api.ctx, &id));
    CHECK_EQ(companions(r), 0);
    rig_add_sa(r, &v6.x);
    CHECK_EQ(companions(r), 1);
    CHECK_EQ(listed->spi, 1);
    CHECK_EQ(listed->proto, 41);
    rig_add_sa(r, &a.x);
    rig_add_sa(r, &b.x);
    CHECK_EQ(companions(r), 2);
    CHECK_EQ(ops->sa_flush(r->api.ctx, XFRM_PROTO_ESP), ERR_NOTFOUND);
    CHECK_OK(ops->sa_flush(r->api.ctx, XFRM_PROTO_COMP));
    CHECK_EQ(sad_count(r->db->sad), 0);
    CHECK_EQ(ops->sa_flush(r->api.ctx, 0), ERR_NOTFOUND);
    // by its lifetime
    a.x.limit.hard_add_s = 5;
    rig_add_sa(r, &a.x);
    rig_pass(r, 6);
    (void)control_tick(r->control);
    CHECK_EQ(sad_count(r->db->sad), 0);
    // not for transport mode, and not before there are keys
    struct link transport = link_of(XFRM_PROTO_COMP, XFRM_TRANSPORT, 0, CPI);
    rig_add_sa(r, &transport.x);
    struct xfrm_sa larval;
    CHECK_OK(ops->sa_alloc_spi(r->api.ctx, &b.x, 0x100, 0xffff, &larval, NULL));
    CHECK_EQ(companions(r), 0);
    b.x.spi = larval.spi;
    CHECK_OK(ops->sa_update(r->api.ctx, &b.x, NULL));
    CHECK_EQ(companions(r), 1);
    rig_free(r);
}

// A tunnel packet that was not compressed is taken only where the policy does not insist, and only
// between the SA's own ends.
static void plain_packets_need_leave(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_COMP, XFRM_TUNNEL, 0, CPI);
    for (unsigned optional = 0; optional < 2; optional++) {
        l.t.optional = (uint8_t)optional;
        struct pair p = pair_of(&l, 1);
        uint8_t packet[200];
        uint32_t len = from_host(packet, 0, 10);
        struct frame f = *sent(&p, packet, len);
        CHECK_EQ(f.proto, IPPROTO_IPIP);
        if (!optional) refused(&p, &f, DROP_TEMPLATE);
        if (optional) (void)received(&p, &f);
        f.from.ip.b[3] ^= 1;
        refused(&p, &f, DROP_NO_SA);
        f.from.ip.b[3] ^= 1;
        f.proto = IPPROTO_IPV6; // says one thing, is another
        refused(&p, &f, DROP_MODE);
        pair_free(&p);
    }
    // with ESP asked for, IPComp alone is not enough, compressed or not
    struct link two[2] = {l, link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 0, 0x100)};
    struct pair p = pair_of(two, 2), alone = pair_of(two, 1);
    for (uint32_t data = 10; data < 1000; data *= 20) {
        uint8_t packet[1000];
        uint32_t len = from_host(packet, 0, data);
        struct frame f = *sent(&alone, packet, len);
        CHECK_EQ(f.proto, data > 100 ? IPPROTO_COMP : IPPROTO_IPIP);
        refused(&p, &f, DROP_TEMPLATE);
    }
    pair_free(&p);
    pair_free(&alone);
}

// ---- streams ----

// IPComp for the SA of `l` with `n` bytes deflated behind the header; free at.
static struct frame deflated(const struct link *l, const uint8_t *at, uint32_t n, int level)
{
    struct frame f = {.proto = IPPROTO_COMP, .from.ip = l->x.saddr, .to.ip = l->x.daddr};
    uint32_t room = n + 1000;
    z_stream z = {0};
    f.at = malloc(room);
    assert_non_null(f.at);
    f.at[0] = l->x.mode == XFRM_TUNNEL ? IPPROTO_IPIP : IPPROTO_UDP;
    f.at[1] = 0xff; // flags mean nothing
    put16(f.at + 2, (uint16_t)l->x.spi);
    CHECK_EQ(deflateInit2(&z, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    uint8_t *copy = malloc(n + 1);
    assert_non_null(copy);
    memcpy(copy, at, n);
    z.next_in = copy;
    z.avail_in = n;
    z.next_out = f.at + 4;
    z.avail_out = room - 4;
    CHECK_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
    f.len = room - z.avail_out;
    (void)deflateEnd(&z);
    free(copy);
    return f;
}

static void bombs_do_not_go_off(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_COMP, XFRM_TUNNEL, 0, CPI);
    struct pair p = pair_of(&l, 1);
    static uint8_t zeros[8 << 20];
    static const uint32_t sizes[] = {COMP_INFLATED_MAX + 1, 100000, 8 << 20};
    for (unsigned i = 0; i < 3; i++) {
        struct frame f = deflated(&l, zeros, sizes[i], 9);
        CHECK(f.len < 9300);
        refused(&p, &f, DROP_BOMB);
        free(f.at);
    }
    struct frame f = deflated(&l, zeros, COMP_INFLATED_MAX, 9); // allowed, but no packet
    refused(&p, &f, DROP_MODE);
    free(f.at);
    pair_free(&p);
}

static void large_packets_within_the_limit(void **state)
{
    (void)state;
    for (unsigned mode = XFRM_TRANSPORT; mode <= XFRM_TUNNEL; mode++) {
        struct link l = link_of(XFRM_PROTO_COMP, (uint8_t)mode, 0, CPI);
        struct pair p = pair_of(&l, 1);
        static uint8_t packet[70000];
        uint32_t len = from_host(packet, 0, 60000), skip = mode == XFRM_TUNNEL ? 0 : 20;
        struct frame f = deflated(&l, packet + skip, len - skip, 9);
        const struct frame *got = received(&p, &f);
        CHECK_EQ(got->len, len);
        assert_memory_equal(got->at + 20, packet + 20, len - 20);
        // a burst of nothing else
        rig_clear(p.sun);
        struct burst b = {.n = BURST_MAX};
        for (unsigned i = 0; i < b.n; i++) {
            b.p[i] = pool_take(p.sun->w.pool);
            memcpy(b.p[i]->at, f.at, f.len);
            b.p[i]->len = f.len;
            b.p[i]->from = f.from;
            b.p[i]->to = f.to;
            b.p[i]->proto = f.proto;
        }
        path_in(&p.sun->w, &b);
        CHECK_EQ(p.sun->delivered.n, BURST_MAX);
        CHECK_EQ(rig_all_drops(p.sun), 0);
        free(f.at);
        pair_free(&p);
    }
}

static void streams_that_make_no_sense(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_COMP, XFRM_TUNNEL, 0, CPI);
    struct pair p = pair_of(&l, 1);
    uint8_t packet[1500];
    uint32_t len = from_host(packet, 0, 1000);
    struct frame f = deflated(&l, packet, len, 0); // stored: grows
    refused(&p, &f, DROP_INFLATE);
    free(f.at);
    f = deflated(&l, packet, len, 9);
    uint32_t whole = f.len;
    for (f.len = 4; f.len < whole; f.len++) refused(&p, &f, DROP_INFLATE); // cut
    for (f.len = 0; f.len < 4; f.len++) refused(&p, &f, DROP_MALFORMED_IN);
    f.len = whole;
    put16(f.at + 2, CPI + 1);
    refused(&p, &f, DROP_NO_SA);
    put16(f.at + 2, CPI);
    for (uint32_t bit = 32; bit < whole * 8; bit++) { // changed: whatever it is, it is bounded
        f.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        rig_clear(p.sun);
        rig_in(p.sun, &f);
        f.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    same_packet(received(&p, &f), packet, len); // and leaves nothing behind
    make_random(packet, sizeof packet);
    memcpy(f.at + 4, packet, whole - 4);
    refused(&p, &f, DROP_INFLATE);
    free(f.at);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_shrinks_and_what_is_too_small),
        cmocka_unit_test(what_does_not_shrink),
        cmocka_unit_test(inside_esp),
        cmocka_unit_test(around_others),
        cmocka_unit_test(the_companion_comes_and_goes),
        cmocka_unit_test(plain_packets_need_leave),
        cmocka_unit_test(bombs_do_not_go_off),
        cmocka_unit_test(large_packets_within_the_limit),
        cmocka_unit_test(streams_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
