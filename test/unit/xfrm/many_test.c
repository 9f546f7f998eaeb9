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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_packet_finds_its_own_sa),
        cmocka_unit_test(timers_by_the_hundred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
