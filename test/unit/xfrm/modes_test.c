// Transport and BEET mode, ESP and AH, one SA and several: everything arrives as it was, with the
// headers where they belong.
#include "test/unit/xfrm/modes.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/path/stages.h"

// ---- everything arrives ----

static void carry(struct pair *p, const char *src, const char *dst, uint32_t payload)
{
    uint8_t packet[9300];
    uint32_t len = rig_udp(packet, src, dst, 4000, 5000, payload);
    const struct frame *f = sent(p, packet, len);
    same_packet(received(p, f), packet, len);
    refused(p, f, DROP_REPLAY);
}

static void transport_carries_both_families(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        unsigned v6 = i & 1, udp = i >> 1 & 1, esn = i >> 2 & 1, cbc = i >> 3;
        struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, v6, 0x100);
        if (udp) l.x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 4500};
        if (cbc) rig_crypt_auth(&l.x, "cbc(aes)", 128, "hmac(sha256)", 256, 128);
        if (esn) rig_esn(&l.x, 64);
        struct pair p = pair_of(&l, 1);
        for (uint32_t payload = 0; payload < 40; payload++)
            carry(&p, hosts[v6][0], hosts[v6][1], payload);
        carry(&p, hosts[v6][0], hosts[v6][1], 8900);
        pair_free(&p);
    }
}

static void beet_carries_all_families(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        unsigned in_v6 = i & 1, out_v6 = i >> 1 & 1;
        struct link l = beet_of(i >> 2 ? XFRM_PROTO_AH : XFRM_PROTO_ESP, in_v6, out_v6, 0x100);
        struct pair p = pair_of(&l, 1);
        for (uint32_t payload = 0; payload < 40; payload++)
            carry(&p, inners[in_v6][0], inners[in_v6][1], payload);
        pair_free(&p);
    }
}

static void ah_carries_all_families(void **state)
{
    (void)state;
    static const struct {
        const char *auth;
        uint16_t key, icv;
    } macs[] = {{"hmac(sha1)", 160, 96},
                {"hmac(sha256)", 256, 128},
                {"hmac(sha256)", 256, 0},
                {"hmac(sha384)", 384, 192},
                {"hmac(sha512)", 512, 256}};
    for (unsigned i = 0; i < 5 * 16; i++) {
        unsigned in_v6 = i & 1, out_v6 = i >> 1 & 1, esn = i >> 2 & 1, align4 = i >> 3 & 1;
        for (unsigned mode = XFRM_TRANSPORT; mode <= XFRM_TUNNEL; mode++) {
            if (mode == XFRM_TRANSPORT && in_v6 != out_v6) continue;
            struct link l = link_of(XFRM_PROTO_AH, (uint8_t)mode, out_v6, 0x100);
            rig_crypt_auth(&l.x, "", 0, macs[i / 16].auth, macs[i / 16].key, macs[i / 16].icv);
            if (esn) rig_esn(&l.x, 64);
            if (align4) l.x.flags |= 64;
            if (esn) l.x.replay.out_seq = l.x.replay.in_seq = UINT32_MAX - 3;
            struct pair p = pair_of(&l, 1);
            for (uint32_t payload = 0; payload < 9; payload++)
                carry(&p, hosts[in_v6][0], hosts[in_v6][1], payload);
            pair_free(&p);
        }
    }
}

// ---- where ESP and AH stand ----

// An IPv6 UDP packet with extension headers: hop-by-hop, destination, routing (2 stops, the last
// ahead), destination for the end.
static uint32_t long_chain(uint8_t *buf, uint8_t segments_left)
{
    uint32_t len = from_host(buf, 1, 10), udp = len - 40;
    uint8_t rest[64];
    memcpy(rest, buf + 40, udp);
    uint8_t *at = buf + 40;
    static const uint8_t hop[8] = {60, 0, 0x3e, 4, 1, 2, 3, 4}; // an option that may change
    static const uint8_t dst[8] = {43, 0, 0x1e, 4, 5, 6, 7, 8}; // and one that may not
    static const uint8_t end[8] = {17, 0, 1, 4, 0, 0, 0, 0};
    buf[6] = 0;
    memcpy(at, hop, 8);
    memcpy(at + 8, dst, 8);
    memset(at + 16, 0, 40);
    at[16] = 60;
    at[17] = 4; // two addresses
    at[18] = 0;
    at[19] = segments_left;
    for (unsigned i = 0; i < 32; i++) at[24 + i] = (uint8_t)(0x20 + i);
    memcpy(at + 56, end, 8);
    memcpy(at + 64, rest, udp);
    put16(buf + 4, (uint16_t)(64 + udp));
    return 40 + 64 + udp;
}

static void extension_headers_stay_in_front(void **state)
{
    (void)state;
    for (unsigned ah = 0; ah < 2; ah++) {
        struct link l = link_of(ah ? XFRM_PROTO_AH : XFRM_PROTO_ESP, XFRM_TRANSPORT, 1, 0x100);
        struct pair p = pair_of(&l, 1);
        uint8_t packet[300];
        uint32_t len = long_chain(packet, 0);
        const struct frame *f = sent(&p, packet, len);
        CHECK(f->whole);
        CHECK_EQ(f->at[6], 0);
        CHECK_EQ(f->at[40], 60);
        CHECK_EQ(f->at[48], 43);
        CHECK_EQ(f->at[56], ah ? 51 : 50); // and not the destination options for the end
        CHECK_EQ(get16(f->at + 4), f->len - 40);
        CHECK_EQ(get32(f->at + 40 + 56 + (ah ? 4 : 0)), 0x100);
        const struct frame *got = received(&p, f);
        CHECK_EQ(got->len, len);
        assert_memory_equal(got->at, packet, len);
        pair_free(&p);
    }
}

static void destination_options_alone_are_for_the_end(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 1, 0x100);
    struct pair p = pair_of(&l, 1);
    uint8_t packet[300], whole[300];
    uint32_t len = long_chain(packet, 0);
    memcpy(whole, packet, 40);
    memcpy(whole + 40, packet + 96, len - 96); // without the first three
    whole[6] = 60;
    put16(whole + 4, (uint16_t)(len - 96));
    const struct frame *f = sent(&p, whole, len - 56);
    CHECK(!f->whole);
    same_packet(received(&p, f), whole, len - 56);
    pair_free(&p);
}

// rfc4302 3.3.3.1.2.3: the ICV is that of the packet as it arrives.
static void ah_foresees_the_route(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_AH, XFRM_TRANSPORT, 1, 0x100);
    struct pair p = pair_of(&l, 1);
    uint8_t packet[300];
    // two stops: the packet is on its way to the first, `sun`; then 0x20.., then 0x30..
    uint32_t len = long_chain(packet, 2);
    const struct frame *f = sent(&p, packet, len);
    uint8_t stops[3][16];
    memcpy(stops[0], f->at + 24, 16);
    memcpy(stops[1], f->at + 64, 16);
    memcpy(stops[2], f->at + 80, 16);
    memcpy(f->at + 24, stops[2], 16);
    memcpy(f->at + 64, stops[0], 16);
    memcpy(f->at + 80, stops[1], 16);
    f->at[59] = 0;
    f->at[7] -= 2;     // hop limit
    f->at[1] = 0x23;   // and a new flow label
    f->at[44] ^= 0xff; // an option that may change
    struct xfrm_sa end = l.x;
    memcpy(end.daddr.b, stops[2], 16);
    rig_add_sa(p.sun, &end);
    f->at[52] ^= 0xff; // one that may not
    refused(&p, f, DROP_AUTH);
    f->at[52] ^= 0xff;
    CHECK_EQ(received(&p, f)->len, len);
    pair_free(&p);
}

static void options_of_ipv4(uint8_t *packet, uint32_t *len)
{
    static const uint8_t options[12] = {148, 4, 0, 0, 7, 7,
                                        4,   0, 0, 0, 0, 1}; // alert, record route
    memmove(packet + 32, packet + 20, *len - 20);
    memcpy(packet + 20, options, 12);
    *len += 12;
    packet[0] = 0x48;
    put16(packet + 2, (uint16_t)*len);
    put16(packet + 4, 0x4242);
    put16(packet + 10, 0);
    put16(packet + 10, (uint16_t)~sum16(packet, 32, 0));
}

static void options_of_ipv4_are_kept(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool ah = i & 1, beet = i >> 1;
        uint8_t proto = ah ? XFRM_PROTO_AH : XFRM_PROTO_ESP;
        struct link l =
            beet ? beet_of(proto, 0, 0, 0x100) : link_of(proto, XFRM_TRANSPORT, 0, 0x100);
        struct pair p = pair_of(&l, 1);
        uint8_t packet[200];
        uint32_t len =
            beet ? rig_udp(packet, inners[0][0], inners[0][1], 1, 2, 10) : from_host(packet, 0, 10);
        options_of_ipv4(packet, &len);
        const struct frame *f = sent(&p, packet, len);
        CHECK_EQ(f->whole, ah || !beet);
        if (!beet) {
            CHECK_EQ(f->at[0], 0x48);
            CHECK_EQ(f->at[9], proto);
            CHECK_EQ(f->at[8], packet[8]);
            CHECK_EQ(get16(f->at + 4), 0x4242);
            assert_memory_equal(f->at + 20, packet + 20, 12);
            CHECK_EQ(get16(f->at + 2), f->len);
            CHECK_EQ(sum16(f->at, 32, 0), 0xffff);
        }
        same_packet(received(&p, f), packet, len);
        pair_free(&p);
    }
    // every length of options through BEET
    struct link l = beet_of(XFRM_PROTO_ESP, 0, 1, 0x100);
    struct pair p = pair_of(&l, 1);
    for (uint32_t n = 4; n <= 40; n += 4) {
        uint8_t packet[200];
        uint32_t len = rig_udp(packet, inners[0][0], inners[0][1], 1, 2, 3);
        memmove(packet + 20 + n, packet + 20, len - 20);
        memset(packet + 20, 1, n);
        len += n;
        packet[0] = (uint8_t)(0x45 + n / 4);
        put16(packet + 2, (uint16_t)len);
        same_packet(received(&p, sent(&p, packet, len)), packet, len);
    }
    pair_free(&p);
}

// A socket would choose an identification for a packet that has none, and AH covers it.
static void ah_leaves_no_identification_open(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_AH, XFRM_TRANSPORT, 0, 0x100);
    l.x.replay.out_seq = l.x.replay.in_seq = UINT16_MAX - 3;
    struct pair p = pair_of(&l, 1);
    uint8_t packet[200];
    uint32_t len = from_host(packet, 0, 10);
    for (unsigned i = 0; i < 6; i++) {
        const struct frame *f = sent(&p, packet, len);
        CHECK(get16(f->at + 4) != 0);
        (void)received(&p, f);
    }
    pair_free(&p);
}

static void mutable_fields_may_change_under_ah(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_AH, XFRM_TRANSPORT, 0, 0x100);
    struct pair p = pair_of(&l, 1);
    uint8_t packet[200];
    uint32_t len = from_host(packet, 0, 10);
    options_of_ipv4(packet, &len);
    const struct frame *f = sent(&p, packet, len);
    f->at[1] ^= 0xff;  // TOS
    f->at[8] -= 5;     // TTL
    f->at[28] ^= 0xff; // the recorded route
    (void)received(&p, f);
    // any other bit is noticed
    uint32_t spi = 32 + 4;
    // M: mutable. x: dropped for another reason, by the host's IP or before the MAC is looked at
    static const char kind[] = "xM....MMMxMMxxxxxxxxxxxxMMMMMMMx.x..xxxx";
    for (uint32_t at = 0; at < f->len; at++) {
        if (at < sizeof kind - 1 && kind[at] != '.') continue;
        uint8_t was = f->at[at];
        f->at[at] ^= 0x80;
        put32(f->at + spi + 4, get32(f->at + spi + 4) + (at < spi + 4 || at > spi + 7));
        refused(&p, f, DROP_AUTH);
        put32(f->at + spi + 4, 1);
        f->at[at] = was;
    }
    pair_free(&p);
}

// ---- several SAs ----

static void bundles_arrive_and_only_as_asked_for(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        unsigned v6 = i & 1, out_v6 = i >> 1 & 1;
        struct link l[3] = {
            link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, v6, 0x100),
            link_of(XFRM_PROTO_AH, XFRM_TRANSPORT, v6, 0x200),
            link_of(XFRM_PROTO_ESP, XFRM_TUNNEL, out_v6, 0x300),
        };
        unsigned n = i >> 2 ? 3 : 2;
        struct pair p = pair_of(l, n);
        carry(&p, hosts[v6][0], hosts[v6][1], 20);
        uint8_t packet[200];
        uint32_t len = from_host(packet, v6, 20);
        struct frame f = *sent(&p, packet, len);
        struct xfrm_policy in =
            rig_policy(XFRM_IN, v6 ? "::/0" : "0.0.0.0/0", v6 ? "::/0" : "0.0.0.0/0", NULL, NULL);
        // one more is asked for than the packet came through
        in.tmpl_count = n + 1;
        for (unsigned k = 0; k < n; k++) in.tmpl[k] = l[k].t;
        in.tmpl[n] = l[1].t;
        in.tmpl[n].family = n == 3 ? l[2].t.family : l[1].t.family;
        CHECK_OK(p.sun->api.ops->policy_add(p.sun->api.ctx, &in, true, NULL));
        refused(&p, &f, DROP_TEMPLATE);
        // in another order
        in.tmpl_count = 2;
        in.tmpl[0] = l[1].t;
        in.tmpl[1] = l[0].t;
        CHECK_OK(p.sun->api.ops->policy_add(p.sun->api.ctx, &in, true, NULL));
        f = *sent(&p, packet, len);
        refused(&p, &f, DROP_TEMPLATE);
        pair_free(&p);
    }
}

static bool no_room(void *ctx, unsigned owner, struct pkt *p, bool in)
{
    (void)ctx, (void)owner, (void)p, (void)in;
    return false;
}

// It is too late to hand it over with what it came through, so it goes the way of other traffic: to
// the host, if policy lets it, and from there to its worker's socket.
static void what_lies_inside_may_be_another_workers(void **state)
{
    (void)state;
    struct link l[2] = {link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 0, 0x100),
                        link_of(XFRM_PROTO_ESP, XFRM_TUNNEL, 0, 0x300)};
    struct pair p = pair_of(l, 2);
    uint8_t packet[200];
    uint32_t len = from_host(packet, 0, 20);
    struct frame f = *sent(&p, packet, len);
    struct xfrm_sa_id id = sad_id(&l[0].x);
    struct sa *inner = sad_get(p.sun->db->sad, &id);
    inner->owner = 2; // the second worker's; this is the first
    p.sun->w.colleagues = &(const struct colleagues){.hand_over = no_room};
    refused(&p, &f, DROP_TEMPLATE);

    struct xfrm_policy in = rig_policy(XFRM_IN, "0.0.0.0/0", "0.0.0.0/0", NULL, NULL);
    in.tmpl_count = 1;
    in.tmpl[0] = l[1].t;
    CHECK_OK(p.sun->api.ops->policy_add(p.sun->api.ctx, &in, true, NULL));
    f = *sent(&p, packet, len);
    const struct frame *got = received(&p, &f);
    CHECK_EQ(got->at[9], XFRM_PROTO_ESP);
    CHECK_EQ(inner->packets, 0);
    pair_free(&p);
}

static void a_bundle_waits_for_all_its_sas(void **state)
{
    (void)state;
    struct link l[2] = {link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 0, 0x100),
                        link_of(XFRM_PROTO_AH, XFRM_TRANSPORT, 0, 0x200)};
    struct pair p = pair_of(l, 2);
    struct xfrm_sa_id id = sad_id(&l[1].x);
    CHECK_OK(p.moon->api.ops->sa_del(p.moon->api.ctx, &id));
    rig_clear(p.moon);
    uint8_t packet[200];
    uint32_t len = from_host(packet, 0, 20);
    rig_out(p.moon, packet, len);
    CHECK_EQ(p.moon->sent.n, 0);
    CHECK_EQ(hold_count(p.moon->w.hold), 1);
    CHECK_EQ(p.moon->events, 1);
    CHECK_EQ(p.moon->event[0].reqid, 0x200);
    rig_add_sa(p.moon, &l[1].x);
    hold_retry(&p.moon->w);
    CHECK_EQ(p.moon->sent.n, 1);
    pair_free(&p);
}

static void optional_ones_are_used_where_they_are(void **state)
{
    (void)state;
    struct link l[2] = {link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 0, 0x100),
                        link_of(XFRM_PROTO_AH, XFRM_TRANSPORT, 0, 0x200)};
    l[1].t.optional = 1;
    struct pair p = pair_of(l, 2);
    uint8_t packet[200];
    uint32_t len = from_host(packet, 0, 20);
    const struct frame *f = sent(&p, packet, len);
    CHECK_EQ(f->at[9], 51);
    (void)received(&p, f);
    struct xfrm_sa_id id = sad_id(&l[1].x);
    CHECK_OK(p.moon->api.ops->sa_del(p.moon->api.ctx, &id));
    f = sent(&p, packet, len);
    CHECK(!f->whole);
    CHECK_EQ(p.moon->events, 1); // asked for, once
    (void)received(&p, f);
    id = sad_id(&l[0].x);
    CHECK_OK(p.moon->api.ops->sa_del(p.moon->api.ctx, &id));
    rig_clear(p.moon);
    rig_out(p.moon, packet, len); // the other one is needed
    CHECK_EQ(p.moon->sent.n + p.moon->bypassed.n, 0);
    CHECK_EQ(hold_count(p.moon->w.hold), 1);
    pair_free(&p);
}

static void matryoshka(struct pair *p, const struct link *l, const uint8_t *packet, uint32_t len)
{
    // More layers than any policy can have, wrapped one by one.
    uint8_t buf[2][2000];
    memcpy(buf[0], packet, len);
    for (unsigned i = 0; i < PKT_SAS_MAX + 1; i++) {
        const struct frame *f = sent(p, buf[i & 1], len);
        CHECK(f->whole && f->len <= 2000);
        memcpy(buf[~i & 1], f->at, f->len);
        len = f->len;
    }
    struct frame f = {.at = buf[(PKT_SAS_MAX + 1) & 1], .len = len, .whole = true};
    (void)l;
    refused(p, &f, DROP_MODE);
}

static void layers_without_end(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_AH, XFRM_TUNNEL, 0, 0x100);
    struct pair p = pair_of(&l, 1);
    uint8_t packet[200];
    matryoshka(&p, &l, packet, from_host(packet, 0, 20));
    pair_free(&p);
}

static void esp_in_udp_is_the_outermost_layer(void **state)
{
    (void)state;
    struct link l[2] = {link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 0, 0x100),
                        link_of(XFRM_PROTO_AH, XFRM_TRANSPORT, 0, 0x200)};
    l[0].x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 4500};
    struct pair p = pair_of(l, 2);
    uint8_t packet[200];
    uint32_t len = from_host(packet, 0, 20);
    rig_out(p.moon, packet, len);
    CHECK_EQ(rig_drops(p.moon, DROP_UDP_LAYER), 1);
    pair_free(&p);
    p = pair_of(l, 1);
    options_of_ipv4(packet, &len);
    rig_out(p.moon, packet, len);
    CHECK_EQ(rig_drops(p.moon, DROP_UDP_LAYER), 1);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transport_carries_both_families),
        cmocka_unit_test(beet_carries_all_families),
        cmocka_unit_test(ah_carries_all_families),
        cmocka_unit_test(extension_headers_stay_in_front),
        cmocka_unit_test(destination_options_alone_are_for_the_end),
        cmocka_unit_test(ah_foresees_the_route),
        cmocka_unit_test(options_of_ipv4_are_kept),
        cmocka_unit_test(ah_leaves_no_identification_open),
        cmocka_unit_test(mutable_fields_may_change_under_ah),
        cmocka_unit_test(bundles_arrive_and_only_as_asked_for),
        cmocka_unit_test(a_bundle_waits_for_all_its_sas),
        cmocka_unit_test(what_lies_inside_may_be_another_workers),
        cmocka_unit_test(optional_ones_are_used_where_they_are),
        cmocka_unit_test(layers_without_end),
        cmocka_unit_test(esp_in_udp_is_the_outermost_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
