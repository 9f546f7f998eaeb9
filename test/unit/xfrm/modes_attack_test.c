// What a hostile network, or a peer with keys, can do about transport mode, BEET and AH.
#include "test/unit/xfrm/modes.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/path/stages.h"

// ---- fragments ----

// A packet that is called a fragment of nothing (RFC 6946) is a whole one.
static void an_atomic_fragment_is_whole(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 1, 0x100);
    struct pair p = pair_of(&l, 1);
    uint8_t packet[200];
    uint32_t len = from_host(packet, 1, 30);
    memmove(packet + 48, packet + 40, len - 40);
    memset(packet + 40, 0, 8);
    packet[6] = 44;
    packet[40] = 17;
    len += 8;
    put16(packet + 4, (uint16_t)(len - 40));
    const struct frame *f = sent(&p, packet, len);
    CHECK_EQ(f->at[40], 50);
    (void)received(&p, f);
    pair_free(&p);
}

// ---- what only a peer with keys can send ----

// `text` sealed with the SA's key, as if it came from moon.
static struct frame forge(struct pair *p, const struct link *l, uint64_t seq, const uint8_t *text,
                          uint32_t len)
{
    struct sa *sa = sad_find(p->moon->db->sad, &l->x.daddr, l->x.spi, XFRM_PROTO_ESP, 0);
    assert_non_null(sa);
    uint32_t head = ESP_HEADER + sa->iv_len;
    struct frame f = {.len = head + len + sa->icv_len};
    f.from.ip = l->x.saddr;
    f.to.ip = l->x.daddr;
    f.at = malloc(f.len);
    assert_non_null(f.at);
    put32(f.at, l->x.spi);
    put32(f.at + 4, (uint32_t)seq);
    sealer_iv(sa->sealer, seq, f.at + ESP_HEADER);
    memcpy(f.at + head, text, len);
    struct seal_job job = {.head = f.at, .head_len = ESP_HEADER, .text_len = len};
    sealer_seal(sa->sealer, &job, 1);
    CHECK(!job.bad);
    return f;
}

struct forgery {
    uint8_t text[16];
    uint32_t len;
    enum drop word;
};

static void forged(const struct link *l, const struct forgery *rows, unsigned n)
{
    struct pair p = pair_of(l, 1);
    for (unsigned i = 0; i < n; i++) {
        struct frame f = forge(&p, l, i + 1, rows[i].text, rows[i].len);
        refused(&p, &f, rows[i].word);
        free(f.at);
    }
    pair_free(&p);
}

static void payloads_must_make_sense(void **state)
{
    (void)state;
    static const struct forgery transport4[] = {
        {{1, 2, 0, 17}, 4, DROP_MALFORMED_IN}, // no whole UDP header
        {{1, 2, 2, 6}, 4, DROP_MALFORMED_IN}}; // nothing at all
    static const struct forgery transport6[] = {
        {{1, 2, 0, 17}, 4, DROP_MALFORMED_IN},
        {{17, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 0, 44}, 16, DROP_FRAGMENT_IN},
        {{17, 0, 0, 8, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 0, 44}, 16, DROP_FRAGMENT_IN},
        {{17, 9, 0, 8, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0}, 16, DROP_MALFORMED_IN},
        {{17, 9, 0, 0, 0, 1, 0, 43}, 8, DROP_MALFORMED_IN},
        {{43, 0, 0, 0, 0, 0, 0, 0, 43, 0, 0, 0, 1, 2, 2, 43}, 16, DROP_MALFORMED_IN}};
    static const struct forgery beet[] = {
        {{17, 0, 4, 0, 1, 1, 1, 1, 1, 2, 2, 94}, 12, DROP_MALFORMED_IN}, // no UDP
        {{17, 9, 4, 0, 1, 1, 1, 1, 1, 2, 3, 3, 1, 2, 2, 94}, 16, DROP_MODE},
        {{17, 0, 5, 0, 1, 1, 1, 1, 1, 2, 3, 3, 1, 2, 2, 94}, 16, DROP_MODE},
        {{17, 0, 3, 0, 1, 1, 1, 1, 1, 2, 3, 3, 1, 2, 2, 94}, 16, DROP_MODE},
        {{17, 0, 0, 0, 0, 94}, 6, DROP_MALFORMED_IN}, // no whole number of words
        {{17, 0, 1, 2, 3, 3, 0, 94}, 8, DROP_MODE},
        {{17, 255, 1, 2, 3, 3, 0, 94}, 8, DROP_MODE}};
    struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 0, 0x100);
    forged(&l, transport4, 2);
    l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 1, 0x100);
    forged(&l, transport6, sizeof transport6 / sizeof *transport6);
    l = beet_of(XFRM_PROTO_ESP, 0, 0, 0x100);
    forged(&l, beet, sizeof beet / sizeof *beet);
}

static void the_source_is_the_peer(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 0, 0x100);
    struct pair p = pair_of(&l, 1);
    uint8_t packet[200];
    struct frame f = *sent(&p, packet, from_host(packet, 0, 20));
    f.from.ip = rig_ip("203.0.113.77"); // outer addresses are not authenticated
    refused(&p, &f, DROP_SELECTOR);
    pair_free(&p);
}

static void a_mode_is_not_another_one(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 0, 0x100);
    struct pair p = pair_of(&l, 1);
    uint8_t packet[200];
    const struct frame *f = sent(&p, packet, from_host(packet, 0, 20));
    struct xfrm_policy in = rig_policy(XFRM_IN, "0.0.0.0/0", "0.0.0.0/0", hosts[0][0], hosts[0][1]);
    in.tmpl[0].reqid = 0;
    CHECK_OK(p.sun->api.ops->policy_add(p.sun->api.ctx, &in, true, NULL));
    refused(&p, f, DROP_TEMPLATE);
    // no template at all: the kernel lets an ESP transport packet pass, a tunnel never
    in.tmpl_count = 0;
    CHECK_OK(p.sun->api.ops->policy_add(p.sun->api.ctx, &in, true, NULL));
    (void)received(&p, sent(&p, packet, from_host(packet, 0, 20)));
    pair_free(&p);
}

static void ah_headers_cut_short(void **state)
{
    (void)state;
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct link l = link_of(XFRM_PROTO_AH, XFRM_TRANSPORT, v6, 0x100);
        struct pair p = pair_of(&l, 1);
        uint8_t packet[200];
        const struct frame *f = sent(&p, packet, from_host(packet, v6, 20));
        uint32_t head = v6 ? 40 : 20;
        for (uint32_t len = head; len < f->len; len++) {
            struct frame cut = *f;
            cut.at = malloc(len);
            assert_non_null(cut.at);
            memcpy(cut.at, f->at, len);
            cut.len = len;
            refused(&p, &cut, len < head + 32 ? DROP_MALFORMED_IN : DROP_AUTH);
            free(cut.at);
        }
        for (unsigned words = 0; words < 256; words++) {
            if (words == 6) continue;
            f->at[head + 1] = (uint8_t)words;
            refused(&p, f, words == 5 && !v6 ? DROP_AUTH : DROP_MALFORMED_IN);
        }
        f->at[head + 1] = 6;
        (void)received(&p, f);
        pair_free(&p);
    }
}

// As it comes out of an IPv6 raw socket: without its IP header.
static void ah_over_ipv6_without_its_header(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_AH, XFRM_TRANSPORT, 1, 0x100);
    struct pair p = pair_of(&l, 1);
    uint8_t packet[200];
    uint32_t len = from_host(packet, 1, 20);
    struct frame f = *sent(&p, packet, len);
    f.whole = false;
    f.at += 40;
    f.len -= 40;
    f.from.ip = rig_ip("2001:db8::3");
    refused(&p, &f, DROP_AUTH);
    f.from.ip = l.x.saddr;
    same_packet(received(&p, &f), packet, len);
    pair_free(&p);
}

// ---- NAT ----

static void checksums_are_right_behind_a_nat(void **state)
{
    (void)state;
    static const uint8_t protos[3] = {6, 17, 58};
    for (unsigned i = 0; i < 6; i++) {
        unsigned v6 = i & 1;
        uint8_t proto = protos[i >> 1];
        if (proto == 58 && !v6) continue;
        struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, v6, 0x100);
        l.x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 4500};
        struct pair p = pair_of(&l, 1);
        uint8_t packet[200];
        uint32_t len = from_host(packet, v6, 31), head = v6 ? 40 : 20;
        uint32_t at = head + (proto == 6 ? 16 : proto == 17 ? 6 : 2);
        packet[v6 ? 6 : 9] = proto;
        put16(packet + at, 0x1234); // right or wrong: it is made anew
        struct frame f = *sent(&p, packet, len);
        f.from.ip = rig_ip(v6 ? "2001:db8::99" : "203.0.113.99");
        struct xfrm_sa x = l.x; // the other side knows the peer by what the NAT makes of it
        x.sel.src = (prefix_t){f.from.ip, v6 ? 128 : 32};
        CHECK_OK(p.sun->api.ops->sa_update(p.sun->api.ctx, &x, NULL));
        const struct frame *got = received(&p, &f);
        uint32_t sum = proto + len - head;
        sum += sum16(got->at + (v6 ? 8 : 12), v6 ? 32 : 8, 0);
        CHECK_EQ(sum16(got->at + head, len - head, sum), 0xffff);
        CHECK_EQ(memcmp(got->at + (v6 ? 8 : 12), f.from.ip.b, v6 ? 16 : 4), 0);
        pair_free(&p);
    }
}

// As the kernel, which takes the original address and does without it: the sum is made anew.
static void sums_behind_a_nat_that_need_care(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        unsigned v6 = i & 1, head = v6 ? 40 : 20;
        struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, v6, 0x100);
        l.x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 4500};
        l.x.encap.oa = rig_ip(v6 ? "fd00::1" : "10.0.0.1");
        struct pair p = pair_of(&l, 1);
        struct xfrm_sa shown;
        struct xfrm_sa_id id = sad_id(&l.x);
        CHECK_OK(p.sun->api.ops->sa_get(p.sun->api.ctx, &id, &shown));
        CHECK(ip_eq(&shown.encap.oa, &l.x.encap.oa));
        uint8_t packet[200];
        uint32_t len = from_host(packet, v6, 31), udp = len - head;
        if (i / 2 == 1) put16(packet + head + 6, 0x1234);
        if (i / 2 == 2) { // a length of its own, with a sum, and something behind it
            put16(packet + head + 4, (uint16_t)(udp -= 3));
            put16(packet + head + 6, 0x1234);
        }
        const struct frame *got = received(&p, sent(&p, packet, len));
        if (i / 2 == 0) { // none stays none
            CHECK_EQ(get16(got->at + head + 6), 0);
        } else {
            uint32_t sum = 17 + udp + sum16(got->at + (v6 ? 8 : 12), v6 ? 32 : 8, 0);
            CHECK_EQ(sum16(got->at + head, udp, sum), 0xffff);
        }
        CHECK_EQ(got->len, len);
        pair_free(&p);
    }
}

// ---- who is asked for an SA ----

static void each_destination_asks_for_its_own_sa(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 0, 0x100);
    struct pair p = pair_of(&l, 1);
    uint8_t packet[200];
    for (unsigned i = 0; i < 4; i++) {
        const char *to = i & 1 ? "203.0.113.7" : "203.0.113.8";
        rig_out(p.moon, packet, rig_udp(packet, hosts[0][0], to, 1, 2, 3));
    }
    CHECK_EQ(p.moon->sent.n, 0);
    CHECK_EQ(hold_count(p.moon->w.hold), 4);
    CHECK_EQ(p.moon->events, 2);
    struct xfrm_sa x = l.x;
    x.daddr = rig_ip("203.0.113.7");
    rig_add_sa(p.moon, &x);
    hold_retry(&p.moon->w);
    CHECK_EQ(p.moon->sent.n, 2);
    CHECK_EQ(hold_count(p.moon->w.hold), 2);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_atomic_fragment_is_whole),
        cmocka_unit_test(payloads_must_make_sense),
        cmocka_unit_test(the_source_is_the_peer),
        cmocka_unit_test(a_mode_is_not_another_one),
        cmocka_unit_test(ah_headers_cut_short),
        cmocka_unit_test(ah_over_ipv6_without_its_header),
        cmocka_unit_test(checksums_are_right_behind_a_nat),
        cmocka_unit_test(sums_behind_a_nat_that_need_care),
        cmocka_unit_test(each_destination_asks_for_its_own_sa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
