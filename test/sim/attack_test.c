// Attackers: floods, forgeries, replays, and peers who know the keys but not the protocol. Nothing
// unauthenticated changes an IKE SA that is up, nothing at all makes one fall over.
#include <stdio.h>
#include <string.h>

#include "base/order.h"
#include "ike/codec/msg.h"
#include "ike/sa/diplomat.h"
#include "test/sim/sim.h"

// ---- floods ------------------------------------------------------------------------------------

static unsigned keep_first;
static struct sim_message first_init; // of ALICE

static unsigned catch_init(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)s;
    if (n == 0) {
        first_init = *m;
        keep_first = 1;
    }
    return 1;
}

static void deliver(struct sim *s, int to, struct sim_message *m)
{
    m->d.bytes = span(m->bytes, m->d.bytes.len);
    ike_input(s->node[to].ike, &m->d);
    sim_check(s);
}

static void flood(void **state)
{
    struct sim *s = sim_new(1);
    (void)state;
    s->node[BOB].opt.half_open_max = 50;
    sim_net_net(s, "", "");
    s->fate = catch_init;
    sim_establish(s);
    sim_net_net_side(s, BOB, "remote_addrs = %any", "");
    s->fate = sim_fate_cut; // answers go to addresses that nobody has
    for (uint32_t i = 0; i < 2000; i++) {
        struct sim_message m = first_init;
        memcpy(m.bytes, &i, sizeof i); // SPIi
        m.bytes[7] = 1;
        memcpy(m.d.from.ip.b, &(uint32_t){i * 2654435761U | 1}, 4);
        deliver(s, BOB, &m);
    }
    struct ike_stats st = sim_stats(s, BOB);
    CHECK_EQ(st.half_open, s->node[BOB].opt.cookie_threshold);
    CHECK(st.cookies_sent >= 1900);
    CHECK_EQ(st.established, 1);
    s->fate = NULL;
    sim_run(s, 40 * SECOND); // they are forgotten
    CHECK_EQ(sim_stats(s, BOB).half_open, 0);
    sim_expect_clean(s);
    sim_free(s);
}

static void one_address_with_cookies(void **state)
{
    struct sim *s = sim_new(2);
    (void)state;
    s->node[BOB].opt.half_open_max = 20;
    s->node[BOB].opt.cookie_threshold = 10000;
    s->node[BOB].opt.cookie_threshold_ip = 10000;
    sim_net_net(s, "", "");
    s->fate = catch_init;
    sim_establish(s);
    sim_net_net_side(s, BOB, "remote_addrs = %any", "");
    s->fate = sim_fate_cut;
    for (uint32_t i = 0; i < 100; i++) {
        struct sim_message m = first_init;
        memcpy(m.bytes, &i, sizeof i);
        m.bytes[7] = 1;
        deliver(s, BOB, &m);
    }
    // One address never takes more than it leaves, whatever it answers; another one still gets in.
    CHECK_EQ(sim_stats(s, BOB).half_open, 10);
    for (uint32_t i = 0; i < 100; i++) {
        struct sim_message m = first_init;
        memcpy(m.bytes, &i, sizeof i);
        m.bytes[7] = 1;
        m.d.from.ip = s->node[CAROL].ip;
        deliver(s, BOB, &m);
    }
    CHECK_EQ(sim_stats(s, BOB).half_open, 15);
    s->node[BOB].ike->opt.half_open_max_ip = 3;
    struct sim_message m = first_init;
    m.bytes[7] = 2;
    m.d.from.ip = s->node[CAROL].ip;
    deliver(s, BOB, &m);
    CHECK_EQ(sim_stats(s, BOB).half_open, 15);
    s->fate = NULL;
    sim_run(s, 40 * SECOND);
    sim_expect_clean(s);
    sim_free(s);
}

// 100,000 strangers who are nobody, and an honest peer among them. What they cost is bounded, and
// he gets through while they go on.
static unsigned to_hosts_only(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)n;
    return ip_eq(&m->d.to.ip, &s->node[ALICE].ip) || ip_eq(&m->d.to.ip, &s->node[BOB].ip);
}

#define STRANGERS 100000

static void an_honest_peer_in_a_flood(void **state)
{
    struct sim *s = sim_new(4);
    struct sim_result r = {0};
    unsigned most = 0;
    (void)state;
    sim_net_net(s, "", "");
    s->fate = catch_init;
    sim_establish(s);
    sim_terminate_ike(s, ALICE, &r);
    sim_run(s, 20 * SECOND);
    sim_net_net_side(s, BOB, "remote_addrs = %any", "");
    s->fate = to_hosts_only;
    for (uint32_t i = 0; i < STRANGERS; i++) {
        struct sim_message m = first_init;
        memcpy(m.bytes, &i, sizeof i); // SPIi
        m.bytes[7] = 1;
        memcpy(m.d.from.ip.b, &(uint32_t){i * 2654435761U | 1}, 4);
        deliver(s, BOB, &m);
        if (i == STRANGERS / 2) sim_initiate(s, ALICE, "net", &r);
        if (i % 1000 == 0) sim_run(s, 10 * NSEC_PER_MSEC);
        if (s->node[BOB].ike->table.n > most) most = s->node[BOB].ike->table.n;
    }
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    CHECK(most <= s->node[BOB].opt.cookie_threshold + 1);
    CHECK(sim_packet(s, ALICE) && sim_packet(s, BOB));
    sim_run(s, 40 * SECOND);
    sim_expect_clean(s);
    sim_free(s);
}

// With IPv6 one host has 2^64 addresses: they count as one.
static void one_host_with_many_addresses(void **state)
{
    struct sim *s = sim_new(5);
    (void)state;
    for (int i = ALICE; i <= BOB; i++) {
        CHECK_OK(ip_parse(i == ALICE ? "2001:db8:a::1" : "2001:db8:b::1", &s->node[i].ip));
    }
    sim_net_net(s, "", "");
    s->fate = catch_init;
    sim_establish(s);
    sim_net_net_side(s, BOB, "remote_addrs = %any", "");
    s->fate = sim_fate_cut;
    for (uint32_t i = 0; i < 100; i++) {
        struct sim_message m = first_init;
        memcpy(m.bytes, &i, sizeof i);
        m.bytes[7] = 1;
        CHECK_OK(ip_parse("2001:db8:1:2::", &m.d.from.ip));
        memcpy(m.d.from.ip.b + 12, &i, sizeof i);
        m.d.from.ip.b[7] = (uint8_t)(2 + i / 50); // two hosts
        deliver(s, BOB, &m);
    }
    CHECK_EQ(sim_stats(s, BOB).half_open, 2 * s->node[BOB].opt.cookie_threshold_ip);
    s->fate = NULL;
    sim_run(s, 40 * SECOND);
    CHECK_EQ(sim_stats(s, BOB).half_open, 0);
    sim_expect_clean(s);
    sim_free(s);
}

static void strangers_are_answered_sparingly(void **state)
{
    struct sim *s = sim_new(3);
    struct sim_message m = {0};
    (void)state;
    sim_net_net(s, "", "");
    sim_establish(s);
    unsigned sent = s->sent;
    m.d = (struct datagram){{s->node[CAROL].ip, 500}, {s->node[BOB].ip, 500}, {0}, 0};
    m.d.bytes.len = 28;
    memset(m.bytes, 7, 16);
    for (unsigned i = 0; i < 1000; i++) {
        m.bytes[17] = i % 2 ? 0x20 : 0x30; // our version, a higher one
        m.bytes[18] = X_INFO;
        m.bytes[19] = IKE_FLAG_INITIATOR;
        m.bytes[27] = 28;
        deliver(s, BOB, &m);
    }
    CHECK_EQ(s->sent, sent + 1);
    sim_run(s, SECOND);
    m.bytes[19] |= IKE_FLAG_RESPONSE; // responses never
    deliver(s, BOB, &m);
    CHECK_EQ(s->sent, sent + 1);
    sim_free(s);
}

// ---- forgeries ---------------------------------------------------------------------------------

static bool look(void *ctx, const struct ike_sa_view *v, const struct ike_sa *sa)
{
    struct {
        uint64_t spi_i, spi_r;
        enum ike_state_view state;
        endpoint_t remote;
        uint32_t send, recv;
    } *seen = ctx;
    seen->spi_i = v->spi_i;
    seen->spi_r = v->spi_r;
    seen->state = v->state;
    seen->remote = v->remote;
    seen->send = sa->window.send;
    seen->recv = sa->window.recv;
    return false;
}

static unsigned caught_n;
static struct sim_message caught[16];

static unsigned catch_all(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)s, (void)n;
    if (caught_n < 16) caught[caught_n++] = *m;
    return 1;
}

// Every message of a whole conversation, with every byte spoiled in turn, from the real address and
// from another one, and once more as it was.
static void spoiled_and_replayed(void **state)
{
    struct sim *s = sim_new(10);
    uint8_t before[128] = {0}, after[128] = {0};
    (void)state;
    sim_net_net(s, "", "");
    caught_n = 0;
    s->fate = catch_all;
    sim_establish(s);
    sim_rekey_child(s, ALICE);
    sim_run(s, 10 * SECOND);
    s->fate = sim_fate_cut;
    ike_each(s->node[BOB].ike, look, before);
    for (unsigned i = 0; i < caught_n; i++) {
        for (size_t at = 0; at <= caught[i].d.bytes.len; at++) {
            struct sim_message m = caught[i];
            if (at < m.d.bytes.len) m.bytes[at] ^= (uint8_t)(1 + at % 255);
            if (at % 3 == 0) m.d.from.ip = s->node[CAROL].ip;
            deliver(s, BOB, &m);
            deliver(s, ALICE, &m);
        }
    }
    ike_each(s->node[BOB].ike, look, after);
    CHECK(memcmp(before, after, sizeof before) == 0);
    s->fate = NULL;
    sim_run(s, 40 * SECOND);
    sim_expect_clean(s);
    sim_free(s);
}

// While the conversation opens nothing is authenticated yet; a spoiled message must not keep the
// genuine one that follows from working.
static void spoiled_before_genuine(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 4; n++) {
        for (unsigned at = 16; at < 60; at += 3) {
            struct sim *s = sim_new(20);
            struct sim_result r;
            sim_net_net(s, "", "");
            s->by_hand = true;
            sim_initiate(s, ALICE, "net", &r);
            for (unsigned i = 0; i < n; i++) CHECK(sim_deliver(s, i % 2 ? BOB : ALICE));
            struct sim_message m = *s->flight[0];
            m.bytes[at] ^= 0x41;
            m.d.bytes = span(m.bytes, m.d.bytes.len);
            unsigned sent = s->in_flight;
            ike_input(s->node[n % 2 ? ALICE : BOB].ike, &m.d);
            while (s->in_flight > sent) sim_drop(s, n % 2 ? ALICE : BOB);
            s->by_hand = false;
            sim_run(s, 200 * SECOND);
            // A spoiled IKE_SA_INIT request or answer that still makes sense leads into nowhere, as
            // a man in the middle can; everything else is shaken off.
            CHECK_EQ(r.told, 1);
            if (n >= 2) CHECK_EQ(r.err, ERR_OK);
            sim_free(s);
        }
    }
}

static void forged_refusal(void **state)
{
    struct sim *s = sim_new(30);
    struct sim_result r;
    uint8_t buf[128];
    struct msgw w;
    span_t bytes;
    (void)state;
    sim_net_net(s, "", "");
    s->by_hand = true;
    sim_initiate(s, ALICE, "net", &r);
    struct ike_header h = {.spi_i = get64(s->flight[0]->bytes),
                           .version = 0x20,
                           .exchange = X_SA_INIT,
                           .flags = IKE_FLAG_RESPONSE};
    struct notify n = {.type = N_NO_PROPOSAL_CHOSEN};
    msgw_start(&w, buf, sizeof buf, &h);
    notify_write(msgw_begin(&w, PAYLOAD_N), &n);
    msgw_end(&w);
    CHECK_OK(msgw_finish(&w, &bytes));
    struct datagram d = {{s->node[BOB].ip, 500}, {s->node[ALICE].ip, 500}, bytes, 0};
    ike_input(s->node[ALICE].ike, &d); // comes before the genuine answer
    s->by_hand = false;
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    sim_expect_clean(s);
    sim_free(s);
}

// A good answer, but from elsewhere: whoever sees the request could send one.
static void answer_from_elsewhere(void **state)
{
    struct sim *s = sim_new(32);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    s->by_hand = true;
    sim_initiate(s, ALICE, "net", &r);
    CHECK(sim_deliver(s, ALICE));
    struct sim_message m = *s->flight[0];
    m.d.from.ip = s->node[CAROL].ip;
    deliver(s, ALICE, &m);
    CHECK_EQ(s->in_flight, 1); // she did not go on with that
    s->by_hand = false;
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    sim_free(s);
}

// A responder may narrow what was asked for; wider selectors are refused, and deleted at the peer.
static void responder_widens(void **state)
{
    struct sim *s = sim_new(33);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    s->by_hand = true;
    sim_initiate(s, ALICE, "net", &r);
    CHECK(sim_deliver(s, ALICE));
    CHECK(sim_deliver(s, BOB));
    struct offer *o = s->node[ALICE].ike->all->active->offer;
    o->tsi->ts[0].lo.b[2] = 7; // as if she had asked for 10.1.7.0 and above
    s->by_hand = false;
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK(r.err != ERR_OK);
    CHECK_EQ(sim_ikes(s, ALICE), 1);
    CHECK_EQ(sim_children(s, ALICE) + sim_children(s, BOB), 0);
    sim_free(s);
}

static unsigned always_cookie(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)s, (void)n;
    if (m->from == BOB) m->bytes[40] ^= 1; // never the cookie that BOB will want
    return 1;
}

static void endless_cookies(void **state)
{
    struct sim *s = sim_new(31);
    struct sim_result r;
    (void)state;
    s->node[BOB].opt.cookie_threshold = 0;
    sim_net_net(s, "", "");
    s->fate = always_cookie;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 300 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK(r.err != ERR_OK);
    CHECK(s->sent < 40);
    sim_free(s);
}

// ---- peers who know the keys -------------------------------------------------------------------

// How far the conversation is, and who is to be annoyed.
struct stage {
    const char *name;
    int victim;
    unsigned deliver; // messages of the opening that arrive
    void (*then)(struct sim *s);
};

static void then_rekeyed(struct sim *s)
{
    sim_rekey_ike(s, ALICE);
    s->by_hand = true;
    sim_deliver(s, ALICE); // BOB has answered, and waits for the DELETE of the old one
}

static void then_deleting(struct sim *s)
{
    struct ike_choice what = {.ike = "net"};
    unsigned n;
    s->by_hand = true;
    ike_terminate(s->node[BOB].ike, &what, &n, NULL, NULL);
}

static void then_closed(struct sim *s)
{
    struct ike_choice what = {.ike = "net"};
    unsigned n;
    s->by_hand = true;
    ike_terminate(s->node[ALICE].ike, &what, &n, NULL, NULL);
    sim_deliver(s, ALICE);
}

static void then_both_rekey(struct sim *s)
{
    s->by_hand = true;
    sim_rekey_ike(s, ALICE);
    sim_rekey_ike(s, BOB);
    sim_deliver(s, ALICE);
}

static void then_both_rekey_child(struct sim *s)
{
    s->by_hand = true;
    sim_rekey_child(s, ALICE);
    sim_rekey_child(s, BOB);
    sim_deliver(s, ALICE);
}

static const struct stage stages[] = {
    {"INIT_SENT", ALICE, 0, NULL},
    {"INIT_DONE", BOB, 1, NULL},
    {"AUTH_SENT", ALICE, 2, NULL},
    {"UP, half", BOB, 3, NULL},
    {"UP, initiator", ALICE, 4, NULL},
    {"UP, responder", BOB, 4, NULL},
    {"REKEYED", BOB, 4, then_rekeyed},
    {"DELETING", BOB, 4, then_deleting},
    {"CLOSED", BOB, 4, then_closed},
    {"rekeying IKE", BOB, 4, then_both_rekey},
    {"rekeying child", BOB, 4, then_both_rekey_child},
};

static struct sim *reach(const struct stage *st)
{
    struct sim *s = sim_new(50);
    struct sim_result r;
    sim_net_net(s, "", "");
    s->by_hand = true;
    ike_initiate(s->node[ALICE].ike, "net", "net", NULL, NULL);
    for (unsigned i = 0; i < st->deliver; i++) CHECK(sim_deliver(s, i % 2 ? BOB : ALICE));
    (void)r;
    if (st->then) st->then(s);
    return s;
}

static const uint64_t payload_sets[] = {
    0,
    P(N),
    P(D),
    P(SA) | P(KE) | P(Nonce),
    P(SA) | P(Nonce) | P(TSi) | P(TSr),
    P(SA) | P(KE) | P(Nonce) | P(TSi) | P(TSr) | P(N),
    P(IDi) | P(AUTH),
    P(IDi) | P(AUTH) | P(SA) | P(TSi) | P(TSr),
    P(IDr) | P(AUTH),
    P(IDi),
    P(EAP),
    P(CP) | P(CERT) | P(CERTREQ) | P(V),
    P(SA) | P(KE) | P(Nonce) | P(IDi) | P(IDr) | P(AUTH) | P(N) | P(D) | P(TSi) | P(TSr) | P(CP),
};
#define SETS (sizeof payload_sets / sizeof *payload_sets)

enum body { EMPTY, ZEROES, NOISE_BODY, PLAUSIBLE, BODIES };

static void plausible(wr_t *w, uint8_t type, uint64_t salt)
{
    struct notify n = {.type = N_REKEY_SA, .protocol = PROTO_ESP, .spi_len = 4, .spi = 0xc0000000};
    struct delete_payload d = {.protocol = salt % 2 ? PROTO_ESP : PROTO_IKE};
    struct ts_list ts = {.n = 1};
    ip_t ip;
    CHECK_OK(ip_parse("10.1.0.0", &ip));
    switch (type) {
    case PAYLOAD_N:
        if (salt % 3) n = (struct notify){.type = salt % 3 == 1 ? N_TEMPORARY_FAILURE : N_COOKIE};
        notify_write(w, &n);
        break;
    case PAYLOAD_D:
        if (d.protocol == PROTO_ESP) d.spi_len = 4;
        if (d.protocol == PROTO_ESP) d.spi[d.n++] = (uint32_t)(0xc00003e8 + salt % 2);
        delete_write(w, &d);
        break;
    case PAYLOAD_TSi:
    case PAYLOAD_TSr:
        ts.ts[0] = (struct ts){0, 0, 65535, ip, ip};
        ts_write(w, &ts, span(NULL, 0));
        break;
    default:
        wr_zero(w, 40);
    }
}

static void write_body(struct sim *s, wr_t *w, uint8_t type, enum body body)
{
    uint64_t salt = sim_random(s);
    if (body == ZEROES) wr_zero(w, 32);
    if (body == PLAUSIBLE) plausible(w, type, salt);
    for (unsigned i = 0; body == NOISE_BODY && i < salt % 64; i++) {
        wr_u8(w, (uint8_t)sim_random(s));
    }
}

// The other side's IKE SA, for its SPIs and keys; the newest, or the first.
static struct ike_sa *peer_sa(struct sim *s, int victim, bool newest)
{
    struct ike *ike = s->node[victim == ALICE ? BOB : ALICE].ike;
    return newest ? ike->last : ike->all;
}

// Writes a message as the peer's IKE SA would, with that content, and delivers it. false: the peer
// has no such IKE SA.
static bool annoy(struct sim *s, int victim, struct ike_header h, uint64_t set, enum body body)
{
    uint8_t buf[4096];
    struct msgw m;
    span_t bytes;
    struct ike_sa *from = peer_sa(s, victim, h.length);
    if (!from) return false;
    h.spi_i = from->spi_i;
    h.spi_r = from->spi_r;
    h.version = 0x20;
    if (from->initiator) h.flags |= IKE_FLAG_INITIATOR;
    msgw_start(&m, buf, sizeof buf, &h);
    if (ike_sa_has_keys(from) && h.exchange != X_SA_INIT)
        msgw_begin_sk(&m, ike_sa_seal(from), ++from->sealed);
    for (uint8_t type = PAYLOAD_SA; type <= PAYLOAD_EAP; type++) {
        if (!(set >> type & 1)) continue;
        write_body(s, msgw_begin(&m, type), type, body);
        msgw_end(&m);
    }
    CHECK_OK(msgw_finish(&m, &bytes));
    struct datagram d = {from->local, from->remote, bytes, 0};
    ike_input(s->node[victim].ike, &d);
    CHECK(ike_next(s->node[victim].ike) > s->now);
    sim_check(s);
    return true;
}

static uint32_t expected_id(struct sim *s, int victim, bool response)
{
    const struct ike_sa *sa = s->node[victim].ike->all;
    if (!sa) return 0;
    return response ? sa->window.send - 1 : sa->window.recv;
}

static bool victim_gone(struct sim *s, int victim)
{
    const struct ike_sa *sa = s->node[victim].ike->all;
    return !sa || !peer_sa(s, victim, false);
}

// Every kind of message, in every state, with every kind of content: 11 x 5 x 2 x 13 x 4.
static void everything_in_every_state(void **state)
{
    static const uint8_t exchanges[] = {X_SA_INIT, X_AUTH, X_CHILD, X_INFO, 44};
    (void)state;
    for (size_t st = 0; st < sizeof stages / sizeof *stages; st++) {
        struct sim *s = reach(&stages[st]);
        int victim = stages[st].victim;
        for (unsigned i = 0; i < sizeof exchanges * 2 * SETS * BODIES; i++) {
            bool response = i / SETS % 2;
            struct ike_header h = {.exchange = exchanges[i / SETS / 2 % sizeof exchanges],
                                   .flags = response ? IKE_FLAG_RESPONSE : 0,
                                   .id = expected_id(s, victim, response),
                                   .length = i % 3 == 0};
            enum body body = i / SETS / 2 / sizeof exchanges;
            if (victim_gone(s, victim) || !annoy(s, victim, h, payload_sets[i % SETS], body)) {
                sim_free(s);
                s = reach(&stages[st]);
            }
        }
        sim_free(s);
    }
}

// Before IKE_AUTH is complete only IKE_INTERMEDIATE (if it was agreed on) and IKE_AUTH are heard,
// however well the others are sealed: no answer, no SA, and the peer who goes on properly comes up.
static void nothing_else_before_auth(void **state)
{
    static const uint8_t exchanges[] = {X_CHILD, X_INFO, X_FOLLOWUP, 45};
    const struct stage half_open = {"INIT_DONE, with keys", BOB, 2, NULL};
    (void)state;
    struct sim *s = reach(&half_open);
    unsigned sent = s->sent;
    for (unsigned i = 0; i < sizeof exchanges * SETS * BODIES; i++) {
        struct ike_header h = {.exchange = exchanges[i / SETS % sizeof exchanges],
                               .id = expected_id(s, BOB, false)};
        CHECK(annoy(s, BOB, h, payload_sets[i % SETS], (enum body)(i / SETS / sizeof exchanges)));
        CHECK_EQ(s->node[BOB].ike->all->state, IKE_INIT_DONE);
    }
    CHECK_EQ(s->sent, sent);
    CHECK_EQ(sim_xfrm_sas(&s->node[BOB].xfrm) + sim_xfrm_larval(&s->node[BOB].xfrm), 0);
    s->by_hand = false;
    sim_run(s, SECOND);
    sim_expect_clean(s);
    sim_free(s);
}

// ... and time goes on afterwards: no timer spins, nothing is left that never ends.
static void and_then_time_passes(void **state)
{
    (void)state;
    for (size_t st = 0; st < sizeof stages / sizeof *stages; st++) {
        for (unsigned i = 0; i < SETS; i++) {
            struct sim *s = reach(&stages[st]);
            int victim = stages[st].victim;
            struct ike_header h = {.exchange = i % 2 ? X_CHILD : X_INFO};
            h.id = expected_id(s, victim, false);
            annoy(s, victim, h, payload_sets[i], PLAUSIBLE);
            s->by_hand = false;
            sim_run(s, 1000 * SECOND);
            CHECK_EQ(s->in_flight, 0);
            CHECK_EQ(sim_stats(s, BOB).half_open, 0);
            CHECK_EQ(sim_xfrm_larval(&s->node[ALICE].xfrm), 0);
            CHECK_EQ(sim_xfrm_larval(&s->node[BOB].xfrm), 0);
            sim_free(s);
        }
    }
}

static void unknown_critical_payload(void **state)
{
    struct sim *s = reach(&stages[5]);
    uint8_t buf[256];
    struct msgw m;
    span_t bytes;
    (void)state;
    struct ike_sa *from = peer_sa(s, BOB, false);
    struct ike_header h = {.spi_i = from->spi_i,
                           .spi_r = from->spi_r,
                           .version = 0x20,
                           .exchange = X_INFO,
                           .flags = IKE_FLAG_INITIATOR,
                           .id = from->window.send};
    msgw_start(&m, buf, sizeof buf, &h);
    msgw_begin_sk(&m, ike_sa_seal(from), ++from->sealed);
    wr_t *w = msgw_begin(&m, (enum payload_type)200);
    w->at[-3] |= 0x80; // critical
    msgw_end(&m);
    CHECK_OK(msgw_finish(&m, &bytes));
    struct datagram d = {from->local, from->remote, bytes, 0};
    ike_input(s->node[BOB].ike, &d);
    CHECK_EQ(s->in_flight, 1); // refused, and nothing else happened
    CHECK_EQ(sim_ikes(s, BOB), 1);
    CHECK_EQ(sim_children(s, BOB), 1);
    sim_free(s);
}

// ... or fresh keys without end, and never delete what they replace.
static void bounded_rekeying(void **state)
{
    struct sim *s = sim_new(61);
    (void)state;
    sim_net_net(s, "", "");
    sim_establish(s);
    s->by_hand = true;
    for (unsigned i = 0; i < 2; i++) {
        sim_rekey_ike(s, ALICE);
        CHECK(sim_deliver(s, ALICE)); // CREATE_CHILD_SA
        CHECK(sim_deliver(s, BOB));
        while (s->in_flight) sim_drop(s, ALICE); // DELETE never comes
    }
    CHECK_EQ(s->node[BOB].events[IKE_EV_REKEYED], 1);
    CHECK(sim_told(s, BOB, "while something else is under way"));
    s->by_hand = false;
    sim_run(s, 400 * SECOND);
    sim_expect_clean(s);
    sim_free(s);
}

// A peer may want child SAs without end.
static void bounded_children(void **state)
{
    struct sim *s = sim_new(60);
    (void)state;
    sim_net_net(s, "", "");
    sim_establish(s);
    struct ike_sa *sa = s->node[ALICE].ike->all;
    sa->child_n = CHILDREN_MAX; // as if they were there
    struct ike_choice what = {.ike = "net", .child = "net"};
    unsigned n;
    CHECK_OK(ike_rekey(s->node[BOB].ike, &what, &n));
    sim_run(s, SECOND);
    CHECK(sim_told(s, BOB, "NO_ADDITIONAL_SAS"));
    sa->child_n = 1;
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flood),
        cmocka_unit_test(one_address_with_cookies),
        cmocka_unit_test(an_honest_peer_in_a_flood),
        cmocka_unit_test(one_host_with_many_addresses),
        cmocka_unit_test(nothing_else_before_auth),
        cmocka_unit_test(strangers_are_answered_sparingly),
        cmocka_unit_test(spoiled_and_replayed),
        cmocka_unit_test(spoiled_before_genuine),
        cmocka_unit_test(forged_refusal),
        cmocka_unit_test(answer_from_elsewhere),
        cmocka_unit_test(responder_widens),
        cmocka_unit_test(endless_cookies),
        cmocka_unit_test(everything_in_every_state),
        cmocka_unit_test(and_then_time_passes),
        cmocka_unit_test(unknown_critical_payload),
        cmocka_unit_test(bounded_children),
        cmocka_unit_test(bounded_rekeying),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
