// Datagrams that the host has cut before transport mode and BEET see them: they are protected
// whole, in whatever order the pieces come, and no piece goes anywhere alone.
#include "test/unit/xfrm/modes.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/path/stages.h"

#define MF 0x2000
#define SECOND 1 // in seconds of rig_pass()

struct cut { // an IP packet and how it is taken apart
    uint8_t at[65600];
    uint32_t len, head;
    uint32_t id;
};

static struct cut *cut_of(const char *src, const char *dst, uint32_t payload)
{
    struct cut *c = calloc(1, sizeof *c);
    CHECK(c != NULL);
    c->len = rig_udp(c->at, src, dst, 4000, 5000, payload);
    c->head = ip_is_v6(c->at) ? IP6_HEADER : IP4_HEADER;
    c->id = 0x1234;
    return c;
}

// Writes the piece from `from` on, `n` bytes of payload, and returns its length.
static uint32_t piece(const struct cut *c, uint32_t from, uint32_t n, uint8_t *out)
{
    bool v6 = ip_is_v6(c->at), more = c->head + from + n < c->len;
    uint32_t head = c->head + (v6 ? 8 : 0);
    memcpy(out, c->at, c->head);
    memcpy(out + head, c->at + c->head + from, n);
    if (v6) {
        out[40] = out[6];
        out[6] = 44;
        out[41] = 0;
        put16(out + 42, (uint16_t)(from | more));
        put32(out + 44, c->id);
        put16(out + 4, (uint16_t)(head + n - 40));
    } else {
        put16(out + 2, (uint16_t)(head + n));
        put16(out + 4, (uint16_t)c->id);
        put16(out + 6, (uint16_t)(from / 8 | (more ? MF : 0)));
    }
    return head + n;
}

static void send_piece(struct rig *r, const struct cut *c, uint32_t from, uint32_t n)
{
    uint8_t packet[4096];
    rig_out(r, packet, piece(c, from, n, packet));
}

// Pieces of `size` bytes, the one at `first` leading and the others behind it in a circle.
static void send_all(struct rig *r, const struct cut *c, uint32_t size, uint32_t first)
{
    uint32_t payload = c->len - c->head, count = (payload + size - 1) / size;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t from = (first + i) % count * size;
        send_piece(r, c, from, payload - from < size ? payload - from : size);
    }
}

static void arrives_whole(struct pair *p, const struct cut *c)
{
    CHECK_EQ(p->moon->sent.n, 1);
    const struct frame *got = received(p, &p->moon->sent.f[0]);
    CHECK_EQ(got->len, c->len);
    uint32_t skip = ip_is_v6(c->at) ? 40 : 12; // what a socket does not keep
    assert_memory_equal(got->at + skip, c->at + skip, c->len - skip);
    if (!ip_is_v6(c->at)) CHECK_EQ(sum16(got->at, 20, 0), 0xffff);
    CHECK_EQ(rig_all_drops(p->moon), 0);
    rig_clear(p->moon);
}

static struct link any_link(unsigned i)
{
    static const uint8_t protos[2] = {XFRM_PROTO_ESP, XFRM_PROTO_AH};
    return i & 1 ? beet_of(protos[i >> 2 & 1], i >> 1 & 1, 0, 0x100)
                 : link_of(protos[i >> 2 & 1], XFRM_TRANSPORT, i >> 1 & 1, 0x100);
}

static void pieces_in_any_order_are_one_packet(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct link l = any_link(i);
        struct pair p = pair_of(&l, 1);
        const char *const *ends = i & 1 ? inners[i >> 1 & 1] : hosts[i >> 1 & 1];
        struct cut *c = cut_of(ends[0], ends[1], 9001);
        for (uint32_t first = 0; first < 7; first++) {
            c->id++;
            send_all(p.moon, c, 1368, first);
            arrives_whole(&p, c);
        }
        free(c);
        pair_free(&p);
    }
}

static void the_largest_datagram_is_carried(void **state)
{
    (void)state;
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, v6, 0x100);
        struct pair p = pair_of(&l, 1);
        // room for ESP: header and IV 16, trailer 2 to 5, ICV 16
        struct cut *c = cut_of(hosts[v6][0], hosts[v6][1], 65507 - 40);
        send_all(p.moon, c, 1376, 0);
        arrives_whole(&p, c);
        free(c);
        c = cut_of(hosts[v6][0], hosts[v6][1], 65507);
        send_all(p.moon, c, 1376, 0);
        CHECK_EQ(p.moon->sent.n, 0);
        CHECK_EQ(rig_drops(p.moon, DROP_TOO_BIG), 1);
        free(c);
        pair_free(&p);
    }
}

static void several_datagrams_grow_at_a_time(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 0, 0x100);
    struct pair p = pair_of(&l, 1);
    struct cut *c = cut_of(hosts[0][0], hosts[0][1], 2000);
    for (c->id = 1; c->id <= ASSEMBLIES_MAX; c->id++) send_piece(p.moon, c, 0, 1000);
    CHECK_EQ(p.moon->sent.n, 0);
    for (c->id = ASSEMBLIES_MAX; c->id >= 1; c->id--) {
        send_piece(p.moon, c, 1000, 1008);
        arrives_whole(&p, c);
    }
    free(c);
    pair_free(&p);
}

// Buffers are bounded: the oldest datagram gives way, and what has waited too long goes.
static void unfinished_datagrams_do_not_pile_up(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 0, 0x100);
    struct pair p = pair_of(&l, 1);
    struct cut *c = cut_of(hosts[0][0], hosts[0][1], 2000);
    for (c->id = 1; c->id <= 5000; c->id++) {
        send_piece(p.moon, c, 0, 1000);
        if (c->id == 1) rig_pass(p.moon, SECOND);
    }
    CHECK_EQ(rig_drops(p.moon, DROP_ASSEMBLY), 5000 - ASSEMBLIES_MAX);
    rig_pass(p.moon, 6 * SECOND);
    send_piece(p.moon, c, 0, 1000);
    CHECK_EQ(rig_drops(p.moon, DROP_ASSEMBLY), 5000);
    c->id--; // its first piece has been forgotten
    send_piece(p.moon, c, 1000, 1008);
    CHECK_EQ(p.moon->sent.n, 0);
    free(c);
    pair_free(&p);
}

static void overlapping_pieces_spoil_the_datagram(void **state)
{
    (void)state;
    static const struct {
        uint32_t from, n;
    } bad[] = {{0, 1000}, {992, 16}, {8, 8}, {1000, 1000}, {1200, 800}, {3000, 8}};
    for (unsigned i = 0; i < 2 * sizeof bad / sizeof bad[0]; i++) {
        unsigned v6 = i & 1, k = i >> 1;
        struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, v6, 0x100);
        struct pair p = pair_of(&l, 1);
        struct cut *c = cut_of(hosts[v6][0], hosts[v6][1], 4000);
        send_piece(p.moon, c, 0, 1000);
        send_piece(p.moon, c, 1000, 1000);
        c->len = k == 5 ? c->head + 3008 : c->len; // the last one, before that of the 4000
        if (k == 5) send_piece(p.moon, c, 2000, 1008);
        c->at[c->head + bad[k].from] ^= 1; // the same place, something else
        send_piece(p.moon, c, bad[k].from, bad[k].n);
        CHECK_EQ(rig_drops(p.moon, DROP_ASSEMBLY), k == 5 ? 0 : 1);
        if (k != 5) send_piece(p.moon, c, 2000, 2008);
        CHECK_EQ(p.moon->sent.n, k == 5 ? 1 : 0);
        if (k != 5) send_all(p.moon, c, 1000, 0); // nor does what comes later
        CHECK_EQ(p.moon->sent.n, k == 5 ? 1 : 0);
        rig_pass(p.moon, 6 * SECOND);
        rig_clear(p.moon);
        c->len = c->head + 4008;
        send_all(p.moon, c, 1000, 0);
        CHECK_EQ(p.moon->sent.n, 1);
        free(c);
        pair_free(&p);
    }
}

static void a_repeated_piece_does_no_harm(void **state)
{
    (void)state;
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, v6, 0x100);
        struct pair p = pair_of(&l, 1);
        struct cut *c = cut_of(hosts[v6][0], hosts[v6][1], 2995);
        for (unsigned i = 0; i < 3; i++) send_piece(p.moon, c, 0, 1000);
        for (unsigned i = 0; i < 3; i++) send_piece(p.moon, c, 2000, 1003);
        send_piece(p.moon, c, 1000, 1000);
        arrives_whole(&p, c);
        free(c);
        pair_free(&p);
    }
}

// What came in pieces may leave in pieces, in IPv6, too; and whatever the pieces said of DF.
static void the_whole_may_be_cut_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct link l = any_link(i);
        struct pair p = pair_of(&l, 1);
        const char *const *ends = i & 1 ? inners[i >> 1 & 1] : hosts[i >> 1 & 1];
        struct cut *c = cut_of(ends[0], ends[1], 5000);
        uint8_t packet[4096];
        p.moon->link_mtu = 1500;
        for (uint32_t from = 0; from < 5008; from += 1000) {
            uint32_t n = from == 5000 ? 8 : 1000, len = piece(c, from, n, packet);
            if (!(i >> 1 & 1)) packet[6] |= 0x40;
            rig_out(p.moon, packet, len);
        }
        CHECK_EQ(p.moon->sent.n, 1);
        const struct frame *f = &p.moon->sent.f[0];
        CHECK_EQ(f->path_mtu, 1500);
        if (f->whole && !ip_is_v6(f->at)) CHECK_EQ(f->at[6] & 0x40, 0);
        if (!f->whole) CHECK(!f->df);
        free(c);
        pair_free(&p);
    }
}

// Offsets and lengths that no sender in good faith writes.
static void pieces_that_make_no_sense_are_dropped(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        unsigned v6 = i & 1;
        struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, v6, 0x100);
        struct pair p = pair_of(&l, 1);
        struct cut *c = cut_of(hosts[v6][0], hosts[v6][1], 4000);
        uint8_t packet[4096];
        uint32_t n = i >> 1 == 0 ? 1001 : i >> 1 == 1 ? 0 : 1000;
        uint32_t len = piece(c, 0, n, packet);
        if (i >> 1 == 2 && v6) put16(packet + 42, 0xfff8);
        if (i >> 1 == 2 && !v6) put16(packet + 6, 0x1fff);
        rig_out(p.moon, packet, len);
        // too short for ports, it is not even looked at
        CHECK_EQ(rig_drops(p.moon, i >> 1 == 1 ? DROP_MALFORMED_OUT : DROP_ASSEMBLY), 1);
        CHECK_EQ(p.moon->sent.n, 0);
        free(c);
        pair_free(&p);
    }
}

// A policy about ports takes pieces that have none; what turns out to be of other ports goes its
// own way, cut again. So it is in every mode.
static void ports_are_known_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        uint16_t port = (uint16_t)(5000 + (i & 1));
        struct rig *r = rig_new();
        struct link l = link_of(XFRM_PROTO_ESP, i & 2 ? XFRM_TUNNEL : XFRM_TRANSPORT, 0, 0x100);
        r->link_mtu = 1400;
        struct xfrm_policy x = rig_policy(XFRM_OUT, "192.0.2.0/24", "0.0.0.0/0", NULL, NULL);
        x.sel = (struct xfrm_selector){.family = AF_INET,
                                       .proto = 17,
                                       .src = {rig_ip(hosts[0][0]), 32},
                                       .dst = {rig_ip(hosts[0][1]), 32},
                                       .dport = port,
                                       .dport_mask = UINT16_MAX};
        x.tmpl[x.tmpl_count++] = l.t;
        rig_add_sa(r, &l.x);
        rig_add_policy(r, &x);
        struct cut *c = cut_of(hosts[0][0], hosts[0][1], 3000);
        send_all(r, c, 1000, 1);
        CHECK_EQ(r->sent.n, port == 5000);
        CHECK_EQ(r->bypassed.n, port == 5001);
        if (port == 5001) CHECK_EQ(r->bypassed.f[0].len, c->len);
        if (port == 5001) CHECK_EQ(r->bypassed.f[0].path_mtu, 1400);
        CHECK_EQ(rig_all_drops(r), 0);
        free(c);
        rig_free(r);
    }
}

// Tunnels carry fragments as they are.
static void tunnels_do_not_wait(void **state)
{
    (void)state;
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct link l = link_of(XFRM_PROTO_ESP, XFRM_TUNNEL, v6, 0x100);
        struct pair p = pair_of(&l, 1);
        struct cut *c = cut_of(hosts[v6][0], hosts[v6][1], 3000);
        send_piece(p.moon, c, 1000, 1000);
        CHECK_EQ(p.moon->sent.n, 1);
        free(c);
        pair_free(&p);
    }
}

static void congestion_of_one_piece_is_that_of_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        unsigned v6 = i & 1, knows = i >> 1;
        struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, v6, 0x100);
        struct pair p = pair_of(&l, 1);
        struct cut *c = cut_of(hosts[v6][0], hosts[v6][1], 2000);
        if (v6) put16(c->at, (uint16_t)(0x6000 | knows << 5));
        if (!v6) c->at[1] = knows ? 2 : 0;
        send_piece(p.moon, c, 0, 1000);
        if (v6) put16(c->at, 0x6030);
        if (!v6) c->at[1] = 3;
        send_piece(p.moon, c, 1000, 1008);
        CHECK_EQ(p.moon->sent.n, knows);
        CHECK_EQ(rig_drops(p.moon, DROP_ASSEMBLY), !knows);
        if (knows) CHECK_EQ(p.moon->sent.f[0].tos & 3, 3);
        free(c);
        pair_free(&p);
    }
}

// Hop-by-hop and destination options stand before the fragment header and stay.
static void options_stay_in_front(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 1, 0x100);
    struct pair p = pair_of(&l, 1);
    struct cut *c = cut_of(hosts[1][0], hosts[1][1], 100);
    uint8_t whole[200], packet[200];
    static const uint8_t hop[8] = {17, 0, 1, 4, 0, 0, 0, 0};
    memcpy(whole, c->at, 40);
    memcpy(whole + 40, hop, 8);
    memcpy(whole + 48, c->at + 40, c->len - 40);
    whole[6] = 0;
    put16(whole + 4, (uint16_t)(c->len - 40 + 8));
    for (unsigned half = 0; half < 2; half++) {
        uint32_t n = half ? c->len - 40 - 48 : 48;
        memcpy(packet, whole, 48);
        packet[40] = 44;
        const uint8_t header[8] = {17, 0, 0, half ? 48 : 1, 9, 9, 9, 9};
        memcpy(packet + 48, header, 8);
        memcpy(packet + 56, whole + 48 + (half ? 48 : 0), n);
        put16(packet + 4, (uint16_t)(16 + n));
        rig_out(p.moon, packet, 56 + n);
    }
    CHECK_EQ(p.moon->sent.n, 1);
    CHECK_EQ(p.moon->sent.f[0].at[40], 50);
    const struct frame *got = received(&p, &p.moon->sent.f[0]);
    CHECK_EQ(got->len, c->len + 8);
    assert_memory_equal(got->at, whole, got->len);
    free(c);
    pair_free(&p);
}

// Whatever the bytes: every buffer comes back.
static void noise_leaks_no_buffers(void **state)
{
    (void)state;
    struct link l = link_of(XFRM_PROTO_ESP, XFRM_TRANSPORT, 0, 0x100);
    struct pair p = pair_of(&l, 1);
    struct cut *c = cut_of(hosts[0][0], hosts[0][1], 3000);
    unsigned seed = 1;
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t packet[4096];
        c->id = (uint32_t)rand_r(&seed) % 40;
        uint32_t from = (uint32_t)rand_r(&seed) % 376 * 8, n = (uint32_t)rand_r(&seed) % 1000 + 1;
        if (rand_r(&seed) % 4) n = n / 8 * 8;
        if (from + n > c->len - c->head) n = c->len - c->head - from;
        uint32_t len = piece(c, from, n, packet);
        if (rand_r(&seed) % 8 == 0) packet[6] ^= (uint8_t)rand_r(&seed);
        rig_out(p.moon, packet, len);
        rig_clear(p.moon);
    }
    rig_pass(p.moon, 6 * SECOND);
    c->id = 99;
    send_all(p.moon, c, 1000, 0);
    CHECK_EQ(p.moon->sent.n, 1);
    free(c);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_in_any_order_are_one_packet),
        cmocka_unit_test(the_largest_datagram_is_carried),
        cmocka_unit_test(several_datagrams_grow_at_a_time),
        cmocka_unit_test(unfinished_datagrams_do_not_pile_up),
        cmocka_unit_test(overlapping_pieces_spoil_the_datagram),
        cmocka_unit_test(a_repeated_piece_does_no_harm),
        cmocka_unit_test(the_whole_may_be_cut_again),
        cmocka_unit_test(pieces_that_make_no_sense_are_dropped),
        cmocka_unit_test(ports_are_known_again),
        cmocka_unit_test(tunnels_do_not_wait),
        cmocka_unit_test(congestion_of_one_piece_is_that_of_all),
        cmocka_unit_test(options_stay_in_front),
        cmocka_unit_test(noise_leaks_no_buffers),
    };
    return cmocka_run_group_tests_name("xfrm/assemble", tests, NULL, NULL);
}
