// Many of everything: bursts whose packets all go through other SAs, and timers by the hundred.
#include "test/unit/xfrm/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/order.h"

#define TUNNELS 600 // enough to count as a large database (sad_is_large)
#define FIRST_SPI 0x1000
#define ROUNDS 8
#define TICK_EVENTS 256 // control.c: TICK_MAX

static const char *text(char buf[48], const char *net, unsigned i)
{
    (void)snprintf(buf, 48, "%s.%u.%u", net, i >> 8, i & 255);
    return buf;
}

// Every tunnel's SA serves both directions, so that what has been sealed can be opened here.
static void add_tunnel(struct rig *r, unsigned i)
{
    char peer[48], host[48];
    (void)text(peer, "100.64", i);
    (void)text(host, "10.2", i);
    struct xfrm_sa x = rig_sa("192.0.2.1", peer, FIRST_SPI + i);
    x.reqid = i + 1;
    x.replay.window = i % 3 == 0 ? 2048 : 64;
    if (i % 4 == 1) rig_crypt_auth(&x, "cbc(aes)", 128, "hmac(sha256)", 256, 128);
    rig_add_sa(r, &x);
    for (unsigned in = 0; in < 2; in++) {
        struct xfrm_policy p =
            rig_policy(in ? XFRM_IN : XFRM_OUT, "10.1.0.0/16", host, "192.0.2.1", peer);
        p.tmpl[0].reqid = i + 1;
        rig_add_policy(r, &p);
    }
    rig_clear(r);
}

static unsigned tunnel_of(const struct frame *f)
{
    return get32(f->at) - FIRST_SPI;
}

static struct pkt *packet(struct rig *r, const uint8_t *at, uint32_t len)
{
    struct pkt *p = pool_take(r->w.pool);
    assert_non_null(p);
    memcpy(p->at, at, len);
    p->len = len;
    return p;
}

// One burst out: `to` says where each packet goes; now and then one that is none.
static void send_burst(struct rig *r, const unsigned to[BURST_MAX], uint64_t *malformed)
{
    struct burst b = {.n = 0};
    for (unsigned i = 0; i < BURST_MAX; i++) {
        uint8_t buf[256];
        char host[48];
        uint32_t len = rig_udp(buf, "10.1.0.1", text(host, "10.2", to[i]), 1, 2, 20 + i);
        if (to[i] == 13) buf[0] = 0;
        *malformed += to[i] == 13;
        b.p[b.n++] = packet(r, buf, len);
    }
    path_out(&r->w, &b);
}

static void take_burst(struct rig *r, const struct frames *fs)
{
    struct burst b = {.n = 0};
    for (unsigned i = 0; i < fs->n; i++) {
        const struct frame *f = &fs->f[i];
        struct pkt *p = packet(r, f->at, f->len);
        p->from = f->from;
        p->to = f->to;
        p->udp = f->udp;
        b.p[b.n++] = p;
    }
    path_in(&r->w, &b);
}

static void each_packet_finds_its_own_sa(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    uint64_t malformed = 0, sent[TUNNELS] = {0};
    for (unsigned i = 0; i < TUNNELS; i++) add_tunnel(r, i);
    srand(7);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned to[BURST_MAX], k = 0;
        for (unsigned i = 0; i < BURST_MAX; i++)
            to[i] = round % 2 && i ? to[i - 1] + (rand() % 4 == 0) : (unsigned)rand() % TUNNELS;
        for (unsigned i = 0; i < BURST_MAX; i++) to[i] %= TUNNELS;
        send_burst(r, to, &malformed);
        for (unsigned i = 0; i < BURST_MAX; i++) {
            if (to[i] == 13) continue;
            const struct frame *f = &r->sent.f[k++];
            CHECK_EQ(tunnel_of(f), to[i]);
            CHECK_EQ(get32(f->at + 4), ++sent[to[i]]);
        }
        CHECK_EQ(r->sent.n, k);
        take_burst(r, &r->sent);
        CHECK_EQ(r->delivered.n, k);
        for (unsigned i = 0; i < k; i++) {
            unsigned tunnel = tunnel_of(&r->sent.f[i]);
            CHECK_EQ(get16(r->delivered.f[i].at + 18), tunnel); // the last bytes of 10.2.x.y
        }
        take_burst(r, &r->sent); // all of it again
        CHECK_EQ(r->delivered.n, k);
        CHECK_EQ(rig_drops(r, DROP_REPLAY), (round + 1) * BURST_MAX - malformed);
        rig_clear(r);
    }
    CHECK_EQ(rig_drops(r, DROP_MALFORMED_OUT), malformed);
    rig_free(r);
}

static void add_mortal(struct rig *r, unsigned i, uint64_t seconds)
{
    struct xfrm_sa x = rig_sa("192.0.2.1", "198.51.100.1", FIRST_SPI + i);
    x.limit.hard_add_s = seconds;
    rig_add_sa(r, &x);
    rig_clear(r);
}

// Each at its time, whatever the order in which they were made, and no tick takes long.
static void timers_by_the_hundred(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (unsigned i = 0; i < TUNNELS; i++) add_mortal(r, i, 10);
    for (unsigned i = 0; i < TUNNELS; i++) add_mortal(r, TUNNELS + i, 20 + i * 7 % 50);
    CHECK_EQ(control_due(r->control), r->mono + 10 * NSEC_PER_SEC);
    rig_pass(r, 9);
    CHECK_EQ(control_tick(r->control), r->mono + NSEC_PER_SEC);
    CHECK_EQ(r->events, 0);

    rig_pass(r, 1);
    unsigned gone = 0;
    while (control_due(r->control) <= r->mono) {
        (void)control_tick(r->control);
        CHECK(r->events > 0 && r->events <= TICK_EVENTS);
        gone += r->events;
        rig_clear(r);
    }
    CHECK_EQ(gone, TUNNELS);
    for (unsigned s = 10; s < 70; s++) {
        while (control_due(r->control) <= r->mono) (void)control_tick(r->control);
        for (unsigned i = 0; i < r->events; i++)
            CHECK_EQ(20 + (r->event[i].spi - FIRST_SPI - TUNNELS) * 7 % 50, s);
        gone += r->events;
        rig_clear(r);
        rig_pass(r, 1);
    }
    CHECK_EQ(gone, 2 * TUNNELS);
    CHECK_EQ(control_due(r->control), UINT64_MAX);
    rig_free(r);
}

// ---- SAs that wait for their keys ----

#define LARVALS 20000
#define TRIES 5
#define BATCH 40
#define FLAT 4 // times as long with all of them there as with none; a walk over them: over 20 times

static void alloc_spi(struct rig *r, struct xfrm_sa *got)
{
    const struct xfrm_sa like = rig_sa("198.51.100.1", "192.0.2.1", 0);
    CHECK_OK(r->api.ops->sa_alloc_spi(r->api.ctx, &like, 0x10000, UINT32_MAX, got, NULL));
}

// ns of making, answering and deleting a few SAs: the best of some tries.
static uint64_t cost_of_keys(struct rig *r)
{
    uint64_t best = UINT64_MAX;
    for (unsigned try = 0; try < TRIES; try++) {
        uint64_t before = clock_mono();
        for (unsigned i = 0; i < BATCH; i++) {
            struct xfrm_sa got, x = rig_sa("198.51.100.1", "192.0.2.1", 0);
            alloc_spi(r, &got);
            x.spi = got.spi;
            CHECK_OK(r->api.ops->sa_update(r->api.ctx, &x, NULL));
            struct xfrm_sa_id id = sad_id(&x);
            CHECK_OK(r->api.ops->sa_del(r->api.ctx, &id));
            rig_clear(r);
        }
        uint64_t took = clock_mono() - before;
        if (took < best) best = took;
    }
    return best;
}

static void those_that_wait_cost_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa got;
    uint64_t alone = cost_of_keys(r);
    for (unsigned i = 0; i < LARVALS; i++) alloc_spi(r, &got);
    uint64_t among = cost_of_keys(r);
    print_message("# %u larval SAs: %.2f times\n", LARVALS, (double)among / (double)alone);
    CHECK(among < FLAT * alone);
    rig_free(r);
}

static void need(struct rig *r, const struct xfrm_sa *x)
{
    const struct xfrm_policy p = {.mark = x->mark, .if_id = x->if_id};
    const struct xfrm_tmpl t = {.saddr = x->saddr,
                                .daddr = x->daddr,
                                .proto = x->proto,
                                .mode = x->mode,
                                .family = x->family,
                                .reqid = x->reqid};
    control_worker_event(r->control,
                         &(struct xfrm_event){.kind = XFRM_EV_ACQUIRE, .policy = &p, .tmpl = &t});
}

static struct xfrm_sa answer_to(unsigned i)
{
    char peer[48];
    struct xfrm_sa x = rig_sa("192.0.2.1", text(peer, "100.64", i / 3), FIRST_SPI + i);
    x.reqid = 1 + i % 3;
    return x;
}

// By what they were made for, or by number: each answer replaces its own one and no other.
static void each_answer_finds_its_question(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    uint32_t seq[TUNNELS];
    for (unsigned i = 0; i < TUNNELS; i++) {
        struct xfrm_sa x = answer_to(i);
        rig_clear(r);
        need(r, &x);
        need(r, &x); // a repeat is swallowed
        CHECK_EQ(r->events, 1);
        seq[i] = r->event[0].seq;
    }
    CHECK_EQ(sad_count(r->db->sad), TUNNELS);
    for (unsigned i = 0; i < TUNNELS; i++) {
        struct xfrm_sa x = answer_to(i);
        rig_clear(r);
        if (i % 2) {
            x.seq = seq[i];
            x.reqid = 99;
        }
        CHECK_OK(r->api.ops->sa_add(r->api.ctx, &x, NULL));
        CHECK_EQ(sad_count(r->db->sad), TUNNELS);
        x = answer_to(i);
        CHECK(!sad_larval_like(r->db->sad, &x));
        x = answer_to((i + 1) % TUNNELS);
        CHECK_EQ(sad_larval_like(r->db->sad, &x) != NULL, i + 1 < TUNNELS);
    }
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_packet_finds_its_own_sa),
        cmocka_unit_test(timers_by_the_hundred),
        cmocka_unit_test(those_that_wait_cost_nothing),
        cmocka_unit_test(each_answer_finds_its_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
