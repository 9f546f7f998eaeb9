// Super-packets of the host are cut as the kernel would cut them, and nothing that a header claims
// is believed.
#include "xfrm/port/segment.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "test/unit/xfrm/gram.h"

#define ROUNDS 20000

// What the kernel hands over: the pseudo-header's sum where the checksum goes.
struct super {
    struct virtio_net_hdr hdr;
    uint32_t len;
    uint8_t *at; // of exactly that size
};

static uint16_t pseudo(const uint8_t *at, uint32_t len, bool tcp)
{
    // A sound packet's checksum is the complement of pseudo-header and body; take the body away.
    uint32_t start = gram_transport(at), sum = tcp ? 6 : 17;
    const uint8_t *from = at[0] >> 4 == 6 ? at + 8 : at + 12;
    for (uint32_t i = 0; i < (at[0] >> 4 == 6 ? 32U : 8U); i += 2) sum += get16(from + i);
    sum += len - start;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static struct super super_new(const struct gram *g, uint16_t size)
{
    struct super s = {.at = malloc(100 + g->payload)};
    CHECK(s.at != NULL);
    s.len = gram_write(g, s.at);
    s.at = realloc(s.at, s.len);
    CHECK(s.at != NULL);
    uint16_t start = (uint16_t)gram_transport(s.at), offset = g->tcp ? 16 : 6;
    s.hdr = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                    .gso_type = g->tcp ? VIRTIO_NET_HDR_GSO_TCPV4 : GSO_UDP_L4,
                                    .gso_size = size,
                                    .csum_start = start,
                                    .csum_offset = offset};
    if (g->tcp && g->v6) s.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
    put16(s.at + start + offset, pseudo(s.at, s.len, g->tcp));
    return s;
}

static void check_tcp(const struct gram *g, const uint8_t *at, uint32_t sent, bool last)
{
    const uint8_t *tcp = at + gram_transport(at);
    uint8_t gone = 0;
    if (sent > 0) gone |= GRAM_CWR;
    if (!last) gone |= GRAM_FIN | GRAM_PSH;
    CHECK_EQ(get32(tcp + 4), g->seq + sent);
    CHECK_EQ(get32(tcp + 8), g->ack);
    CHECK_EQ(tcp[13], g->flags & ~gone);
}

static void play(const struct gram *g, uint16_t size)
{
    struct super s = super_new(g, size);
    struct pool *pool = pool_new(1);
    struct segment cut;
    uint32_t sent = 0, index = 0;
    CHECK_OK(segment_begin(&cut, &s.hdr, s.at, s.len));
    for (; cut.more; index++) {
        struct pkt *p = pool_take(pool);
        segment_next(&cut, p);
        CHECK(gram_sound(p->at, p->len));
        uint32_t head = gram_head(p->at), payload = p->len - head;
        CHECK(payload == size || (payload < size && !cut.more));
        for (uint32_t i = 0; i < payload; i++)
            CHECK_EQ(p->at[head + i], (uint8_t)(g->fill + sent + i));
        if (g->tcp) check_tcp(g, p->at, sent, !cut.more);
        if (!g->v6) CHECK_EQ(get16(p->at + 4), (uint16_t)(g->id + index));
        sent += payload;
        pool_give(pool, p);
    }
    CHECK_EQ(sent, g->payload);
    pool_free(pool);
    free(s.at);
}

static void every_family_and_size(void **state)
{
    (void)state;
    static const uint16_t sizes[] = {1, 7, 536, 1348, 8900};
    static const uint32_t payloads[] = {1, 2, 1348, 1349, 2696, 64000};
    for (unsigned i = 0; i < 5 * 6 * 4; i++) {
        struct gram g = i & 1 ? gram_tcp(0xfffffff0, 0) : gram_udp(0xfffe, 0);
        g.v6 = i & 2;
        g.payload = payloads[i / 4 % 6];
        g.flags = GRAM_ACK | GRAM_PSH | GRAM_FIN | GRAM_CWR | GRAM_ECE;
        play(&g, sizes[i / 24]);
    }
}

static err_t begin(struct super *s)
{
    struct segment cut;
    err_t e = segment_begin(&cut, &s->hdr, s->at, s->len);
    free(s->at);
    return e;
}

static void what_does_not_fit_together_is_refused(void **state)
{
    (void)state;
    const struct gram tcp = gram_tcp(1, 5000), udp = gram_udp(1, 5000);
    struct super s = super_new(&tcp, 1000);
    s.hdr.flags = 0;
    CHECK_EQ(begin(&s), ERR_SYNTAX);
    s = super_new(&tcp, 0);
    CHECK_EQ(begin(&s), ERR_SYNTAX);
    s = super_new(&tcp, 1000);
    s.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
    CHECK_EQ(begin(&s), ERR_SYNTAX);
    s = super_new(&tcp, 1000);
    s.hdr.csum_start = 24;
    CHECK_EQ(begin(&s), ERR_SYNTAX);
    s = super_new(&tcp, 1000);
    s.hdr.csum_offset = 6;
    CHECK_EQ(begin(&s), ERR_SYNTAX);
    s = super_new(&tcp, 1000);
    s.at[32] = 0x40; // a TCP header of 16 bytes
    CHECK_EQ(begin(&s), ERR_SYNTAX);
    s = super_new(&tcp, 1000);
    s.at[6] = 0x20; // a fragment
    CHECK_EQ(begin(&s), ERR_SYNTAX);
    s = super_new(&udp, 1000);
    s.hdr.gso_type = VIRTIO_NET_HDR_GSO_UDP; // UFO: never offered
    CHECK_EQ(begin(&s), ERR_SYNTAX);
    s = super_new(&udp, 1000);
    s.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
    CHECK_EQ(begin(&s), ERR_SYNTAX);
}

// Whatever the bytes, it ends, stays within its buffers and makes packets of sane sizes.
static void noise(void **state)
{
    (void)state;
    uint64_t seed = 1;
    struct pool *pool = pool_new(1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct gram g = round & 1 ? gram_tcp(1, 0) : gram_udp(1, 0);
        g.v6 = round & 2;
        g.payload = gram_random(&seed) % 300;
        struct super s = super_new(&g, (uint16_t)(gram_random(&seed) % 100));
        for (unsigned i = gram_random(&seed) % 4; i > 0; i--)
            s.at[gram_random(&seed) % (s.len < 64 ? s.len : 64)] = (uint8_t)gram_random(&seed);
        uint8_t raw[sizeof s.hdr];
        memcpy(raw, &s.hdr, sizeof raw);
        if (round % 3 == 0) raw[gram_random(&seed) % sizeof raw] = (uint8_t)gram_random(&seed);
        memcpy(&s.hdr, raw, sizeof raw);
        uint32_t len = s.len - gram_random(&seed) % (round % 5 ? 1 : s.len);
        uint8_t *exact = malloc(len);
        CHECK(exact != NULL);
        memcpy(exact, s.at, len);
        struct segment cut;
        bool good = segment_begin(&cut, &s.hdr, exact, len) == ERR_OK;
        uint32_t sent = 0;
        while (good && cut.more) {
            struct pkt *p = pool_take(pool);
            segment_next(&cut, p);
            CHECK(p->len > cut.head && p->len <= PKT_DATA_MAX);
            sent += p->len - cut.head;
            pool_give(pool, p);
        }
        if (good) CHECK_EQ(sent, len - cut.head);
        (void)segment_finish(&s.hdr, exact, len);
        free(exact);
        free(s.at);
    }
    pool_free(pool);
}

static void an_undone_checksum_is_finished(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct gram g = i & 1 ? gram_tcp(5, 333) : gram_udp(5, 333);
        g.v6 = i & 2;
        struct super s = super_new(&g, 0);
        CHECK(!gram_sound(s.at, s.len));
        CHECK(segment_finish(&s.hdr, s.at, s.len));
        CHECK(gram_sound(s.at, s.len));
        s.hdr.csum_offset = (uint16_t)(s.len - s.hdr.csum_start - 1);
        CHECK(!segment_finish(&s.hdr, s.at, s.len));
        s.hdr.csum_start = 0xffff;
        CHECK(!segment_finish(&s.hdr, s.at, s.len));
        free(s.at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_and_size),
        cmocka_unit_test(what_does_not_fit_together_is_refused),
        cmocka_unit_test(noise),
        cmocka_unit_test(an_undone_checksum_is_finished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
