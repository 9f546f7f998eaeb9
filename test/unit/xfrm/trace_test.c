// What is noted of packets on their walk: everything that becomes of them, before and behind the
// seal; sampling, filters, rings that are full.
#include "test/unit/xfrm/rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/path/trace.h"

#define MOON "203.0.113.1"
#define SUN "203.0.113.2"
#define ALICE "10.1.0.10"
#define BOB "10.2.0.20"
#define RECORDS 256U

struct scene {
    struct rig *rig;
    struct trace_spec spec;
    struct trace *trace;
    struct traces traces;
};

static void look(struct scene *s, unsigned records)
{
    s->trace = trace_new(&s->spec, records);
    assert_non_null(s->trace);
    s->traces = (struct traces){.of = {s->trace}};
    s->rig->w.traces = &s->traces;
}

// moon protects 10.1/16 > 10.2/16 and takes the same traffic in, through one SA that it shares
// with itself.
static struct scene *scene_new(bool with_sa)
{
    struct scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->rig = rig_new();
    s->spec = (struct trace_spec){.every = 1, .snap = 2048, .out = true, .in = true};
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1234);
    struct xfrm_policy out = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN),
                       in = rig_policy(XFRM_FWD, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    rig_add_policy(s->rig, &out);
    rig_add_policy(s->rig, &in);
    if (with_sa) rig_add_sa(s->rig, &x);
    return s;
}

static void scene_free(struct scene *s)
{
    s->rig->w.traces = NULL;
    trace_free(s->trace);
    rig_free(s->rig);
    free(s);
}

static uint32_t packet(uint8_t *buf, const char *dst)
{
    return rig_udp(buf, ALICE, dst, 4000, 53, 100);
}

static struct trace_record *next(struct scene *s)
{
    struct trace_record *r = trace_take(s->trace);
    assert_non_null(r);
    return r;
}

static void nothing_more(struct scene *s)
{
    CHECK(trace_take(s->trace) == NULL);
}

static const char *stage_of(const struct trace_record *r)
{
    return r->path[r->stage].name;
}

static void out_and_in(void **state)
{
    (void)state;
    uint8_t buf[256];
    struct scene *s = scene_new(true);
    look(s, RECORDS);
    uint32_t len = packet(buf, BOB);
    rig_out(s->rig, buf, len);
    rig_in(s->rig, &s->rig->sent.f[0]);
    struct trace_record *out = next(s), *in = next(s);
    CHECK(out->path == outbound && in->path == inbound);
    CHECK_EQ(out->end, TRACE_SENT);
    CHECK_EQ(in->end, TRACE_DELIVERED);
    CHECK_STR(stage_of(out), "send");
    CHECK_STR(stage_of(in), "deliver");
    // the same plain packet, and the same protected one, whichever way
    CHECK_EQ(out->plain_len, len);
    CHECK_EQ(in->plain_len, len);
    assert_memory_equal(out->plain, buf, len);
    assert_memory_equal(in->plain, buf, len);
    CHECK_EQ(out->outer_len, s->rig->sent.f[0].len + 20);
    CHECK_EQ(in->outer_len, out->outer_len);
    assert_memory_equal(out->outer + 20, s->rig->sent.f[0].at, s->rig->sent.f[0].len);
    assert_memory_equal(in->outer + 20, s->rig->sent.f[0].at, s->rig->sent.f[0].len);
    CHECK_EQ(get32(out->outer + 20), 0x1234);
    CHECK_EQ(out->outer[9], 50);
    // what was met
    for (unsigned i = 0; i < 2; i++) {
        const struct trace_record *r = i ? in : out;
        CHECK_EQ(r->flow.dport, 53);
        CHECK_EQ(r->sas, 1);
        CHECK_EQ(r->sa[0].spi, 0x1234);
        CHECK_STR(r->sa[0].alg, "rfc4106(gcm(aes))");
        CHECK_EQ(r->seq, 1);
        CHECK(r->has_policy);
        CHECK_EQ(r->policy.dir, i ? XFRM_FWD : XFRM_OUT);
        CHECK_EQ(r->burst, 1);
        for (unsigned k = 0; k <= r->stage; k++) CHECK_EQ(r->stage_n[k], 1);
    }
    CHECK_EQ(in->spi, 0x1234);
    nothing_more(s);
    scene_free(s);
}

static void every_end_has_its_word(void **state)
{
    (void)state;
    uint8_t buf[256];
    struct scene *s = scene_new(true);
    struct xfrm_policy block = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.9.0.0/16", NULL, NULL);
    block.action = XFRM_BLOCK;
    rig_add_policy(s->rig, &block);
    look(s, RECORDS);
    rig_out(s->rig, buf, packet(buf, "192.0.2.99")); // no policy
    struct trace_record *r = next(s);
    CHECK_EQ(r->end, TRACE_CLEAR);
    CHECK_STR(stage_of(r), "classify");
    CHECK(!r->has_policy && r->sas == 0 && r->outer_len == 0 && r->plain_len > 0);
    rig_out(s->rig, buf, packet(buf, "10.9.0.1"));
    r = next(s);
    CHECK_EQ(r->drop, DROP_POLICY_OUT);
    CHECK(r->has_policy && r->policy.action == XFRM_BLOCK);
    buf[0] = 0x42;
    rig_out(s->rig, buf, 100);
    r = next(s);
    CHECK_EQ(r->drop, DROP_MALFORMED_OUT);
    CHECK_EQ(r->flow.src.family, AF_UNSPEC);
    rig_out(s->rig, buf, packet(buf, BOB)); // and the same again: a replay
    (void)next(s);
    rig_in(s->rig, &s->rig->sent.f[0]);
    CHECK_EQ(next(s)->end, TRACE_DELIVERED);
    rig_in(s->rig, &s->rig->sent.f[0]);
    r = next(s);
    CHECK_EQ(r->end, TRACE_DROPPED);
    CHECK_EQ(r->drop, DROP_REPLAY);
    CHECK_STR(stage_of(r), "replay");
    CHECK(r->outer_len > 0 && r->plain_len == 0 && r->sas == 1 && r->seq == 1);
    put32(s->rig->sent.f[0].at, 0x9999); // an SPI of nobody's
    rig_in(s->rig, &s->rig->sent.f[0]);
    r = next(s);
    CHECK_EQ(r->drop, DROP_NO_SA);
    CHECK_EQ(r->spi, 0x9999);
    CHECK_EQ(r->sas, 0);
    put32(s->rig->sent.f[0].at, 0x1234); // forged
    put32(s->rig->sent.f[0].at + 4, 7);
    rig_in(s->rig, &s->rig->sent.f[0]);
    r = next(s);
    CHECK_EQ(r->drop, DROP_AUTH);
    CHECK_EQ(r->plain_len, 0);
    nothing_more(s);
    scene_free(s);
}

static void who_waits_is_told_twice(void **state)
{
    (void)state;
    uint8_t buf[256];
    struct scene *s = scene_new(false);
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1234);
    look(s, RECORDS);
    rig_out(s->rig, buf, packet(buf, BOB));
    struct trace_record *r = next(s);
    CHECK_EQ(r->end, TRACE_WAITS);
    CHECK_STR(stage_of(r), "resolve");
    CHECK(r->has_policy);
    rig_add_sa(s->rig, &x);
    hold_retry(&s->rig->w);
    r = next(s);
    CHECK_EQ(r->end, TRACE_SENT);
    CHECK_EQ(r->sa[0].spi, 0x1234);
    nothing_more(s);
    scene_free(s);
}

static void who_waits_too_long_is_dropped(void **state)
{
    (void)state;
    uint8_t buf[256];
    struct scene *s = scene_new(false);
    look(s, RECORDS);
    rig_out(s->rig, buf, packet(buf, BOB));
    (void)next(s);
    rig_pass(s->rig, 31);
    hold_retry(&s->rig->w);
    struct trace_record *r = next(s);
    CHECK_EQ(r->drop, DROP_ACQUIRE_TIMEOUT);
    CHECK_STR(stage_of(r), "resolve");
    CHECK_EQ(r->plain_len, 128);
    CHECK(!r->has_policy); // that of its walk may be gone
    nothing_more(s);
    scene_free(s);
}

static void ways_and_drops(void **state)
{
    (void)state;
    uint8_t buf[256];
    struct scene *s = scene_new(true);
    s->spec.out = false;
    s->spec.drops = true;
    look(s, RECORDS);
    rig_out(s->rig, buf, packet(buf, BOB));
    rig_in(s->rig, &s->rig->sent.f[0]);
    nothing_more(s);
    rig_in(s->rig, &s->rig->sent.f[0]);
    CHECK_EQ(next(s)->drop, DROP_REPLAY);
    scene_free(s);
}

// Those of a burst, in its order, with drops between them.
static void a_burst_keeps_its_order(void **state)
{
    (void)state;
    struct scene *s = scene_new(true);
    struct burst b = {0};
    look(s, RECORDS);
    for (unsigned i = 0; i < BURST_MAX; i++) {
        struct pkt *p = pool_take(s->rig->w.pool);
        assert_non_null(p);
        p->len = rig_udp(p->at, ALICE, i % 3 ? BOB : "192.0.2.99", (uint16_t)i, 53, i);
        if (i % 5 == 0) p->at[0] = 0;
        b.p[b.n++] = p;
    }
    path_out(&s->rig->w, &b);
    unsigned ends[TRACE_HEARD + 1] = {0};
    // they end stage by stage, each stage's in order
    for (unsigned i = 0; i < BURST_MAX; i++) {
        const struct trace_record *r = next(s);
        CHECK_EQ(r->burst, BURST_MAX);
        ends[r->end]++;
        if (r->end == TRACE_SENT) CHECK_EQ(r->plain_len, 28 + r->flow.sport);
    }
    CHECK_EQ(ends[TRACE_DROPPED], 26);
    CHECK_EQ(ends[TRACE_CLEAR], 43 - 9);
    CHECK_EQ(ends[TRACE_SENT], BURST_MAX - 26 - 34);
    nothing_more(s);
    scene_free(s);
}

static void samples_are_few(void **state)
{
    (void)state;
    uint8_t buf[256];
    struct scene *s = scene_new(true);
    s->spec.every = 16;
    look(s, RECORDS);
    unsigned n = 0;
    for (unsigned i = 0; i < 1600; i++) {
        rig_clear(s->rig);
        rig_out(s->rig, buf, packet(buf, BOB));
        for (struct trace_record *r; (r = trace_take(s->trace)); n++) trace_give(s->trace, r);
    }
    CHECK(n > 50 && n < 160); // 100 on average
    CHECK_EQ(trace_lost(s->trace), 0);
    scene_free(s);
}

static void who_does_not_read_loses(void **state)
{
    (void)state;
    uint8_t buf[256];
    struct scene *s = scene_new(true);
    look(s, 4);
    for (unsigned i = 0; i < 10; i++) rig_out(s->rig, buf, packet(buf, BOB));
    CHECK_EQ(trace_lost(s->trace), 6);
    CHECK_EQ(s->rig->sent.n, 10);
    for (unsigned i = 0; i < 4; i++) {
        struct trace_record *r = next(s);
        CHECK_EQ(r->seq, i + 1); // the oldest
        trace_give(s->trace, r);
    }
    nothing_more(s);
    rig_out(s->rig, buf, packet(buf, BOB));
    CHECK_EQ(next(s)->seq, 11);
    scene_free(s);
}

static void filters_see_both_packets(void **state)
{
    (void)state;
    // DLT_RAW "ip[9] == N", as pcap_compile() has it, cut short
    static const struct sock_filter program[] = {{BPF_LD | BPF_B | BPF_ABS, 0, 0, 9},
                                                 {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 17},
                                                 {BPF_RET | BPF_K, 0, 0, 1},
                                                 {BPF_RET | BPF_K, 0, 0, 0}};
    static const struct {
        uint32_t proto;
        bool match;
    } cases[] = {{17, true}, {50, true}, {6, false}};
    for (unsigned i = 0; i < 3; i++) {
        uint8_t buf[256];
        struct scene *s = scene_new(true);
        s->spec.steps = 4;
        memcpy(s->spec.filter, program, sizeof program);
        s->spec.filter[1].k = cases[i].proto;
        look(s, RECORDS);
        rig_out(s->rig, buf, packet(buf, BOB));
        if (cases[i].match) CHECK_EQ(next(s)->end, TRACE_SENT);
        nothing_more(s);
        CHECK_EQ(trace_lost(s->trace), 0);
        scene_free(s);
    }
}

static void long_packets_are_cut(void **state)
{
    (void)state;
    uint8_t buf[2048];
    struct scene *s = scene_new(true);
    s->spec.snap = TRACE_SNAP_MIN;
    look(s, RECORDS);
    uint32_t len = rig_udp(buf, ALICE, BOB, 1, 2, 1000);
    rig_out(s->rig, buf, len);
    const struct trace_record *r = next(s);
    CHECK_EQ(r->plain_len, len);
    CHECK_EQ(r->plain_kept, TRACE_SNAP_MIN);
    CHECK_EQ(r->outer_kept, TRACE_SNAP_MIN);
    CHECK(r->outer_len > len);
    scene_free(s);
}

// Two that look for different things at the same time, and one that leaves.
static void two_look(void **state)
{
    (void)state;
    uint8_t buf[256];
    struct scene *s = scene_new(true);
    struct trace_spec in = {.every = 1, .snap = TRACE_SNAP_MIN, .in = true};
    struct trace *other = trace_new(&in, 8);
    assert_non_null(other);
    s->spec.in = false;
    look(s, RECORDS);
    s->traces.of[3] = other;
    rig_out(s->rig, buf, packet(buf, BOB));
    CHECK_EQ(next(s)->end, TRACE_SENT);
    CHECK(trace_take(other) == NULL);
    rig_in(s->rig, &s->rig->sent.f[0]);
    nothing_more(s);
    CHECK_EQ(trace_take(other)->end, TRACE_DELIVERED);
    s->traces.of[3] = NULL;
    trace_free(other);
    rig_in(s->rig, &s->rig->sent.f[0]);
    nothing_more(s);
    scene_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_and_in),
        cmocka_unit_test(every_end_has_its_word),
        cmocka_unit_test(who_waits_is_told_twice),
        cmocka_unit_test(who_waits_too_long_is_dropped),
        cmocka_unit_test(ways_and_drops),
        cmocka_unit_test(a_burst_keeps_its_order),
        cmocka_unit_test(samples_are_few),
        cmocka_unit_test(who_does_not_read_loses),
        cmocka_unit_test(filters_see_both_packets),
        cmocka_unit_test(long_packets_are_cut),
        cmocka_unit_test(two_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
