// What neighbours in a burst have in common is looked up once. Nothing must be taken for common
// that is not: two packets in one burst fare as each of them alone.
#include "test/unit/xfrm/modes.h"

#include <string.h>

#define SPI 0x100
#define MARK 7
#define OTHER_END "203.0.113.3"

// Frames, each for an SA of its own; the last is one for PLAIN that says it came in UDP.
enum { PLAIN, OTHER_SPI, OTHER_DST, MARKED, IN_UDP, MISLABELLED, KINDS };

static struct xfrm_sa sa_for(unsigned kind)
{
    struct xfrm_sa x = rig_sa(hosts[0][0], hosts[0][1], SPI);
    x.replay.window = 0;
    x.aead.key[0] = (uint8_t)(kind + 1);
    if (kind == OTHER_SPI) x.spi = SPI + 1;
    if (kind == OTHER_DST) x.daddr = rig_ip(OTHER_END);
    if (kind == IN_UDP) {
        x.spi = SPI + 2;
        x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 4500};
    }
    return x;
}

static struct xfrm_policy policy_for(enum xfrm_dir dir)
{
    struct xfrm_policy p = rig_policy(dir, "10.1.0.0/16", "10.2.0.0/16", hosts[0][0], hosts[0][1]);
    if (dir == XFRM_IN) p.tmpl[0].saddr = (ip_t){.family = AF_INET};
    return p;
}

static struct rig *receiver(void)
{
    struct rig *r = rig_new();
    struct xfrm_policy in = policy_for(XFRM_IN);
    rig_add_policy(r, &in);
    for (unsigned kind = PLAIN; kind < MISLABELLED; kind++) {
        struct xfrm_sa x = sa_for(kind);
        x.mark = (struct xfrm_mark){.value = kind == MARKED ? MARK : 0, .mask = UINT32_MAX};
        rig_add_sa(r, &x);
    }
    return r;
}

static struct rig *sender(unsigned kind)
{
    struct rig *r = rig_new();
    struct xfrm_policy out = policy_for(XFRM_OUT);
    struct xfrm_sa x = sa_for(kind == MISLABELLED ? PLAIN : kind);
    out.tmpl[0].daddr = x.daddr;
    rig_add_policy(r, &out);
    rig_add_sa(r, &x);
    uint8_t packet[100];
    rig_out(r, packet, rig_udp(packet, "10.1.0.1", "10.2.0.1", 1, 2, 20));
    CHECK_EQ(r->sent.n, 1);
    r->sent.f[0].mark = kind == MARKED ? MARK : 0;
    if (kind == MISLABELLED) r->sent.f[0].udp = true;
    return r;
}

static struct pkt *packet_of(struct rig *r, const struct frame *f)
{
    struct pkt *p = pool_take(r->w.pool);
    assert_non_null(p);
    memcpy(p->at, f->at, f->len);
    p->len = f->len;
    p->from = f->from;
    p->to = f->to;
    p->udp = f->udp;
    p->mark = f->mark;
    return p;
}

static void two_that_come_in_are_judged_each_by_itself(void **state)
{
    (void)state;
    struct rig *from[KINDS];
    for (unsigned kind = 0; kind < KINDS; kind++) from[kind] = sender(kind);
    for (unsigned i = 0; i < KINDS * KINDS; i++) {
        unsigned first = i / KINDS, second = i % KINDS;
        struct rig *r = receiver();
        struct burst b = {
            .n = 2,
            .p = {packet_of(r, &from[first]->sent.f[0]), packet_of(r, &from[second]->sent.f[0])}};
        unsigned bad = (first == MISLABELLED ? 1U : 0) + (second == MISLABELLED ? 1U : 0);
        path_in(&r->w, &b);
        CHECK_EQ(r->delivered.n, 2 - bad);
        CHECK_EQ(rig_drops(r, DROP_ENCAP), bad);
        CHECK_EQ(rig_all_drops(r), bad);
        rig_free(r);
    }
    for (unsigned kind = 0; kind < KINDS; kind++) rig_free(from[kind]);
}

// A policy that asks for two SAs gets both for each packet of a train.
static void each_of_a_train_goes_through_all_its_sas(void **state)
{
    (void)state;
    struct link l[2] = {link_of(XFRM_PROTO_ESP, XFRM_TUNNEL, 0, 0x100),
                        link_of(XFRM_PROTO_AH, XFRM_TRANSPORT, 0, 0x200)};
    struct pair p = pair_of(l, 2);
    uint8_t packet[100];
    uint32_t len = from_host(packet, 0, 20);
    struct burst b = {.n = 0};
    for (; b.n < 3; b.n++) {
        b.p[b.n] = pool_take(p.moon->w.pool);
        assert_non_null(b.p[b.n]);
        memcpy(b.p[b.n]->at, packet, len);
        b.p[b.n]->len = len;
    }
    path_out(&p.moon->w, &b);
    CHECK_EQ(p.moon->sent.n, 3);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(p.moon->sent.f[i].proto, XFRM_PROTO_AH);
        rig_in(p.sun, &p.moon->sent.f[i]);
    }
    CHECK_EQ(p.sun->delivered.n, 3);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_that_come_in_are_judged_each_by_itself),
        cmocka_unit_test(each_of_a_train_goes_through_all_its_sas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
