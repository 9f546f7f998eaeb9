// Joined packets, cut again, are the very packets that were joined: byte for byte, and those of a
// flow in their order.
#include "xfrm/port/coalesce.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "test/unit/xfrm/gram.h"
#include "xfrm/port/segment.h"

#define ROUNDS 4000

struct tray {
    unsigned n;
    struct pkt *p[BURST_MAX];
    struct coalesce c;
};

static void tray_add(struct tray *t, const struct gram *g)
{
    uint8_t buf[3000];
    uint32_t len = gram_write(g, buf);
    t->p[t->n++] = gram_pkt(buf, len);
}

static void tray_clear(struct tray *t)
{
    for (unsigned i = 0; i < t->n; i++) gram_pkt_free(t->p[i]);
    t->n = 0;
}

// The super-packet as the host gets it. Returns its length.
static uint32_t flatten(struct tray *t, const struct joint *j, struct virtio_net_hdr *hdr,
                        uint8_t *out)
{
    uint8_t head[COALESCE_HEAD_MAX];
    struct iovec iov[COALESCE_IOV_MAX];
    unsigned pieces = coalesce_write(&t->c, j, t->p, hdr, head, iov);
    uint32_t len = 0;
    CHECK(pieces <= COALESCE_IOV_MAX);
    for (unsigned i = 0; i < pieces; i++) {
        CHECK(len + iov[i].iov_len <= SUPER_MAX);
        memcpy(out + len, iov[i].iov_base, iov[i].iov_len);
        len += (uint32_t)iov[i].iov_len;
    }
    return len;
}

// IPv4 identification of a packet that must not be fragmented means nothing.
static bool same_packet(const struct pkt *a, const struct pkt *b)
{
    if (a->len != b->len) return false;
    if (a->at[0] >> 4 == 6 || !(a->at[6] & 0x40)) return !memcmp(a->at, b->at, a->len);
    return !memcmp(a->at, b->at, 4) && !memcmp(a->at + 6, b->at + 6, 4) &&
           !memcmp(a->at + 12, b->at + 12, a->len - 12);
}

static void check_joint(struct tray *t, const struct joint *j, bool *seen)
{
    static uint8_t super[SUPER_MAX];
    struct virtio_net_hdr hdr;
    struct segment cut = {0};
    struct pool *pool = pool_new(1);
    if (j->count > 1) CHECK_OK(segment_begin(&cut, &hdr, super, flatten(t, j, &hdr, super)));
    unsigned i = j->first;
    for (unsigned k = 0; k < j->count; k++) {
        CHECK(i < t->n && !seen[i]);
        seen[i] = true;
        if (k + 1 == j->count) CHECK_EQ(i, j->last);
        if (j->count > 1) {
            struct pkt *p = pool_take(pool);
            CHECK(cut.more);
            segment_next(&cut, p);
            CHECK(gram_sound(p->at, p->len));
            CHECK(same_packet(t->p[i], p));
            pool_give(pool, p);
        }
        if (k + 1 < j->count) CHECK(t->c.next[i] > i);
        if (k + 1 < j->count) i = t->c.next[i];
    }
    CHECK(!cut.more);
    pool_free(pool);
}

// Joins and checks that nothing is lost, doubled or changed. Returns the number of super-packets.
static unsigned tray_join(struct tray *t, bool udp)
{
    bool seen[BURST_MAX] = {0};
    coalesce_burst(&t->c, t->p, t->n, udp);
    for (unsigned i = 0; i < t->c.joints; i++) check_joint(t, &t->c.joint[i], seen);
    for (unsigned i = 0; i < t->n; i++) CHECK(seen[i]);
    return t->c.joints;
}

static unsigned join(struct tray *t)
{
    unsigned joints = tray_join(t, true);
    tray_clear(t);
    return joints;
}

static void neighbours_become_one(void **state)
{
    (void)state;
    struct tray t = {0};
    for (unsigned kind = 0; kind < 4; kind++) {
        for (unsigned i = 0; i < 40; i++) {
            struct gram g = kind & 1 ? gram_tcp(i * 1300, 1300) : gram_udp((uint16_t)i, 1300);
            g.v6 = kind & 2;
            g.no_df = true;
            g.id = (uint16_t)(0xfff0 + i);
            tray_add(&t, &g);
        }
        CHECK_EQ(join(&t), 1);
    }
}

static void no_more_than_a_length_field_can_say(void **state)
{
    (void)state;
    struct tray t = {0};
    for (unsigned i = 0; i < 60; i++) {
        const struct gram g = gram_tcp(i * 1300, 1300);
        tray_add(&t, &g);
    }
    CHECK_EQ(join(&t), 2);
}

// Two TCP segments, the second one changed: are they joined?
#define JOINS(change)                       \
    ({                                      \
        struct tray t = {0};                \
        struct gram g = gram_tcp(100, 200); \
        tray_add(&t, &g);                   \
        g = gram_tcp(300, 200);             \
        g.id = 1;                           \
        change;                             \
        tray_add(&t, &g);                   \
        join(&t) == 1;                      \
    })

static void only_what_is_alike(void **state)
{
    (void)state;
    CHECK(JOINS((void)0));
    CHECK(JOINS(g.id = 77)); // of no meaning with DF
    CHECK(JOINS(g.payload = 1));
    CHECK(JOINS(g.flags |= GRAM_PSH));
    CHECK(JOINS(g.flags |= GRAM_FIN));
    CHECK(!JOINS(g.payload = 201));
    CHECK(!JOINS(g.payload = 0));
    CHECK(!JOINS(g.seq++));
    CHECK(!JOINS(g.ack++));
    CHECK(!JOINS(g.window++));
    CHECK(!JOINS(g.flags |= GRAM_SYN));
    CHECK(!JOINS(g.flags |= GRAM_CWR));
    CHECK(!JOINS(g.flags |= GRAM_ECE));
    CHECK(!JOINS(g.options = 0));
    CHECK(!JOINS(g.tos = 4));
    CHECK(!JOINS(g.ttl--));
    CHECK(!JOINS(g.no_df = true));
    CHECK(!JOINS(g.port++));
    CHECK(!JOINS(g.host++));
    CHECK(!JOINS(g.v6 = true));
    CHECK(!JOINS(g.tcp = false));
}

static void a_short_or_pushed_one_ends_it(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        struct tray t = {0};
        struct gram g = gram_tcp(100, 200);
        tray_add(&t, &g);
        g = gram_tcp(300, kind == 0 ? 100 : 200);
        if (kind == 1) g.flags |= GRAM_PSH;
        tray_add(&t, &g);
        uint32_t next = g.seq + g.payload;
        g = gram_tcp(next, 100);
        tray_add(&t, &g);
        CHECK_EQ(join(&t), kind == 2 ? 1 : 2);
    }
}

static void identification_must_count_without_df(void **state)
{
    (void)state;
    for (uint16_t step = 0; step < 3; step++) {
        struct tray t = {0};
        for (unsigned i = 0; i < 3; i++) {
            struct gram g = gram_udp((uint16_t)(i * step), 100);
            g.no_df = true;
            tray_add(&t, &g);
        }
        CHECK_EQ(join(&t), step == 1 ? 1 : 3);
    }
}

static void damaged_stays_damaged(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 80; at++) {
        struct tray t = {0};
        for (unsigned i = 0; i < 3; i++) {
            struct gram g = gram_tcp(i * 100, 100);
            g.no_df = true;
            g.id = (uint16_t)i;
            tray_add(&t, &g);
        }
        t.p[1]->at[at] ^= 0x10;
        CHECK_EQ(tray_join(&t, true), 3);
        tray_clear(&t);
    }
}

static void udp_without_checksum_or_without_uso_stays_single(void **state)
{
    (void)state;
    struct tray t = {0};
    for (unsigned i = 0; i < 2; i++) {
        const struct gram g = gram_udp((uint16_t)i, 100);
        tray_add(&t, &g);
        put16(t.p[i]->at + 26, 0);
    }
    CHECK_EQ(join(&t), 2);
    for (unsigned i = 0; i < 2; i++) {
        const struct gram g = gram_udp((uint16_t)i, 100);
        tray_add(&t, &g);
    }
    CHECK_EQ(tray_join(&t, false), 2);
    tray_clear(&t);
}

static void flows_may_be_interleaved(void **state)
{
    (void)state;
    struct tray t = {0};
    for (unsigned i = 0; i < 60; i++) {
        struct gram g = gram_tcp(i / 6 * 100, 100);
        g.port = (uint16_t)(i % 6);
        tray_add(&t, &g);
    }
    CHECK_EQ(join(&t), 6);
}

// A packet of unknown flow, such as a fragment, may belong to any: nobody passes it.
static void nobody_passes_a_stranger(void **state)
{
    (void)state;
    struct tray t = {0};
    struct gram g = gram_udp(1, 100);
    tray_add(&t, &g);
    g = gram_udp(2, 100);
    tray_add(&t, &g);
    t.p[1]->at[6] = 0x20; // more fragments
    g = gram_udp(3, 100);
    tray_add(&t, &g);
    CHECK_EQ(tray_join(&t, true), 3);
    tray_clear(&t);
}

// A TCP header that claims to be longer than its packet, with a right checksum.
static void a_header_beyond_the_end(void **state)
{
    (void)state;
    struct tray t = {0};
    for (unsigned i = 0; i < 2; i++) {
        const struct gram g = gram_tcp(1000 - 24 * i, 4);
        tray_add(&t, &g);
        t.p[i]->at[32] = 0xf0; // 60 bytes, of 36 that there are
        gram_seal(t.p[i]->at, t.p[i]->len);
    }
    CHECK_EQ(tray_join(&t, true), 2);
    tray_clear(&t);
}

// ---- at random ----

static struct gram random_gram(uint64_t *seed, uint32_t *seq, uint16_t *id)
{
    unsigned flow = gram_random(seed) % 4;
    struct gram g = flow & 1 ? gram_tcp(seq[flow], 0) : gram_udp(id[flow], 0);
    g.v6 = flow & 2;
    g.port = (uint16_t)flow;
    g.id = id[flow]++;
    g.no_df = gram_random(seed) % 2;
    g.payload = gram_random(seed) % 4 ? 100 : gram_random(seed) % 120;
    if (gram_random(seed) % 10 == 0) g.flags |= (uint8_t)(1U << gram_random(seed) % 8);
    if (gram_random(seed) % 10 == 0) g.tos = (uint8_t)gram_random(seed);
    if (gram_random(seed) % 20 == 0) g.options = 0;
    if (gram_random(seed) % 20 == 0) seq[flow] += 3;
    seq[flow] += g.payload;
    return g;
}

static void damage(struct pkt *p, uint64_t *seed)
{
    uint32_t within = p->len < 64 ? p->len : 64;
    if (within) p->at[gram_random(seed) % within] ^= (uint8_t)(1U << gram_random(seed) % 8);
    if (gram_random(seed) % 2) p->len = gram_random(seed) % (p->len + 1);
    struct pkt *exact = gram_pkt(p->at, p->len);
    free(p->room);
    *p = *exact;
    free(exact);
}

// Packets of a flow (their port is its number) leave in the order in which they came.
static void check_order(const struct tray *t)
{
    int last[4] = {-1, -1, -1, -1};
    for (unsigned k = 0; k < t->c.joints; k++) {
        const struct joint *j = &t->c.joint[k];
        unsigned i = j->first;
        for (unsigned m = 0; m < j->count; m++) {
            const struct pkt *p = t->p[i];
            unsigned flow = p->mark;
            CHECK(last[flow] < (int)i);
            last[flow] = (int)i;
            if (m + 1 < j->count) i = t->c.next[i];
        }
    }
}

static void at_random(void **state)
{
    (void)state;
    uint64_t seed = 7;
    unsigned packets = 0, joints = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct tray t = {0};
        uint32_t seq[4] = {0, 0xfffffe00, 0, 1000};
        uint16_t id[4] = {0, 0xfff0, 0, 0};
        for (unsigned n = 1 + gram_random(&seed) % BURST_MAX; n > 0; n--) {
            struct gram g = random_gram(&seed, seq, id);
            tray_add(&t, &g);
            t.p[t.n - 1]->mark = g.port;
            if (round % 2 && gram_random(&seed) % 10 == 0) damage(t.p[t.n - 1], &seed);
        }
        packets += t.n;
        joints += tray_join(&t, true);
        if (round % 2 == 0) check_order(&t);
        tray_clear(&t);
    }
    CHECK(joints < packets * 3 / 4); // it does join
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_become_one),
        cmocka_unit_test(no_more_than_a_length_field_can_say),
        cmocka_unit_test(only_what_is_alike),
        cmocka_unit_test(a_short_or_pushed_one_ends_it),
        cmocka_unit_test(identification_must_count_without_df),
        cmocka_unit_test(damaged_stays_damaged),
        cmocka_unit_test(udp_without_checksum_or_without_uso_stays_single),
        cmocka_unit_test(flows_may_be_interleaved),
        cmocka_unit_test(nobody_passes_a_stranger),
        cmocka_unit_test(a_header_beyond_the_end),
        cmocka_unit_test(at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
