// The engine's thread between two fake ports: a host on a socket pair, and a network that brings
// every packet back to where it came from. One database is both ends of the tunnel.
#include "xfrm/engine.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "test/unit/xfrm/rig.h"

#define ALICE "10.1.0.10"
#define BOB "10.2.0.20"
#define MOON "203.0.113.1"
#define SUN "203.0.113.2"
#define WAIT_MS 3000
#define MANY 500

// ---- a port over a socket pair ----

struct fake {
    struct port port;
    int mine, theirs; // theirs: the test's end; -1: what is sent comes back
    bool echo;
    unsigned sent;       // atomic
    endpoint_t from, to; // of the last packet sent
    bool hoards;         // reads two packets at a time and keeps the second one for the next call
    uint8_t kept[512];
    ssize_t kept_len;
};

static bool is_hoarding(const struct fake *f)
{
    return __atomic_load_n(&f->hoards, __ATOMIC_RELAXED);
}

static ssize_t fake_read(struct fake *f, uint8_t *at)
{
    ssize_t n = f->kept_len;
    memcpy(at, f->kept, sizeof f->kept);
    f->kept_len = 0;
    if (!f->port.more) n = read(f->mine, at, PKT_DATA_MAX);
    if (is_hoarding(f) && n > 0 && !f->port.more)
        f->kept_len = read(f->mine, f->kept, sizeof f->kept);
    f->port.more = f->kept_len > 0;
    return n;
}

static void fake_recv(struct port *port, struct pool *pool, struct burst *b)
{
    struct fake *f = (struct fake *)port;
    struct pkt *p;
    while (b->n < BURST_MAX && (p = pool_take(pool))) {
        ssize_t n = fake_read(f, p->at);
        if (n <= 0) {
            pool_give(pool, p);
            return;
        }
        p->len = (uint32_t)n;
        p->from = f->from;
        p->to = f->to;
        b->p[b->n++] = p;
        if (is_hoarding(f)) return;
    }
}

static void fake_send(struct port *port, struct pkt **p, unsigned n)
{
    struct fake *f = (struct fake *)port;
    for (unsigned i = 0; i < n; i++) {
        f->from = p[i]->from;
        f->to = p[i]->to;
        int fd = f->echo ? f->theirs : f->mine;
        if (write(fd, p[i]->at, p[i]->len) != (ssize_t)p[i]->len) p[i]->drop = DROP_SEND;
        (void)__atomic_add_fetch(&f->sent, 1, __ATOMIC_RELEASE);
    }
}

static int fake_fd(const struct port *port)
{
    return ((const struct fake *)port)->mine;
}

static void fake_free(struct port *port)
{
    struct fake *f = (struct fake *)port;
    (void)close(f->mine);
    if (f->theirs >= 0) (void)close(f->theirs);
}

static const struct port_ops fake_ops = {"fake", fake_recv, fake_send, fake_fd, fake_free};

static void fake_init(struct fake *f, bool echo)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    *f = (struct fake){.port.ops = &fake_ops, .mine = fds[0], .theirs = fds[1], .echo = echo};
}

// ---- a town: host, engine, network ----

struct town {
    struct rig *rig; // for its database and control; its worker is not used
    struct loop *loop;
    struct loop_timer *end;
    struct fake tun, raw, clear;
    struct engine *engine;
    unsigned acquires;
};

static void on_news(void *ctx, const struct xfrm_event *ev)
{
    struct town *t = ctx;
    t->acquires += ev->kind == XFRM_EV_ACQUIRE;
    control_worker_event(t->rig->control, ev);
}

static void on_wake(void *ctx)
{
    struct town *t = ctx;
    engine_news(t->engine, on_news, t);
    loop_stop(t->loop);
}

static void on_end(void *ctx)
{
    loop_stop(((struct town *)ctx)->loop);
}

static void town_open(struct town *t, bool with_network)
{
    struct why why = {""};
    *t = (struct town){.rig = rig_new(), .loop = loop_new()};
    fake_init(&t->tun, false);
    fake_init(&t->raw, true);
    fake_init(&t->clear, true);
    struct engine_ports ports = {.tun = &t->tun.port};
    if (with_network) {
        ports.raw[ENGINE_V4] = &t->raw.port;
        ports.clear[ENGINE_V4] = &t->clear.port;
    }
    const struct engine_conf conf = {
        .db = t->rig->db, .loop = t->loop, .ports = &ports, .workers = 1};
    t->end = loop_timer_new(t->loop, on_end, t);
    CHECK_OK(engine_new(&conf, &t->engine, &why));
    loop_on_wake(t->loop, on_wake, t);
    CHECK_OK(engine_start(t->engine, &why));
}

static void town_close(struct town *t)
{
    engine_stop(t->engine);
    engine_stop(t->engine); // twice does no harm
    engine_free(t->engine);
    fake_free(&t->tun.port);
    fake_free(&t->raw.port);
    fake_free(&t->clear.port);
    loop_timer_free(t->end);
    loop_free(t->loop);
    rig_free(t->rig);
}

static void add_policies(struct town *t)
{
    struct xfrm_policy out = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    struct xfrm_policy in = rig_policy(XFRM_FWD, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    rig_add_policy(t->rig, &out);
    rig_add_policy(t->rig, &in);
}

static void add_sa(struct town *t)
{
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1001);
    rig_add_sa(t->rig, &x);
    engine_kick(t->engine);
}

static void host_sends(struct town *t, const char *dst, uint16_t port)
{
    uint8_t buf[512];
    uint32_t n = rig_udp(buf, ALICE, dst, 1000, port, 64);
    CHECK(write(t->tun.theirs, buf, n) == (ssize_t)n);
}

static bool host_receives(struct town *t, const char *dst, uint16_t port)
{
    uint8_t want[512], got[512];
    uint32_t n = rig_udp(want, ALICE, dst, 1000, port, 64);
    struct pollfd p = {.fd = t->tun.theirs, .events = POLLIN};
    if (poll(&p, 1, WAIT_MS) != 1) return false;
    ssize_t len = read(t->tun.theirs, got, sizeof got);
    if (len != (ssize_t)n) return false;
    // the hop limit is the one byte (with its checksum) that a tunnel may change
    return memcmp(got + 12, want + 12, n - 12) == 0;
}

static struct engine_counts counts(const struct town *t)
{
    struct engine_counts c;
    engine_counts(t->engine, &c);
    return c;
}

static bool comes_true(struct town *t, bool (*fn)(struct town *t))
{
    for (int i = 0; i < WAIT_MS && !fn(t); i++) (void)poll(NULL, 0, 1);
    return fn(t);
}

// ---- the tests ----

static void packets_go_out_sealed_and_come_back_open(void **state)
{
    (void)state;
    struct town t;
    town_open(&t, true);
    add_policies(&t);
    add_sa(&t);
    for (uint16_t i = 0; i < MANY; i++) {
        host_sends(&t, BOB, i);
        CHECK(host_receives(&t, BOB, i));
    }
    engine_stop(t.engine);
    CHECK_EQ(counts(&t).packets_out, MANY);
    CHECK_EQ(counts(&t).packets_in, MANY);
    CHECK_EQ(t.raw.sent, MANY);
    town_close(&t);
}

// A port that was not there at the start: what comes to it is opened like the rest, also what it
// has in hand; taken away, nobody reads it.
static void ports_come_and_go(void **state)
{
    (void)state;
    struct town t;
    struct fake more[ENGINE_EXTRA_MAX + 1];
    uint8_t buf[512];
    town_open(&t, true);
    add_policies(&t);
    add_sa(&t);
    for (unsigned i = 0; i <= ENGINE_EXTRA_MAX; i++) fake_init(&more[i], false);
    for (unsigned i = 0; i < ENGINE_EXTRA_MAX; i++)
        CHECK_OK(engine_port_add(t.engine, &more[i].port));
    CHECK_EQ(engine_port_add(t.engine, &more[ENGINE_EXTRA_MAX].port), ERR_LIMIT);
    struct fake *last = &more[ENGINE_EXTRA_MAX - 1];
    __atomic_store_n(&t.raw.echo, false, __ATOMIC_RELAXED); // the network brings it elsewhere
    for (uint16_t i = 0; i < 10; i++) {
        host_sends(&t, BOB, i);
        struct pollfd p = {.fd = t.raw.theirs, .events = POLLIN};
        CHECK_EQ(poll(&p, 1, WAIT_MS), 1);
        ssize_t n = read(t.raw.theirs, buf, sizeof buf);
        last->from = t.raw.from;
        last->to = t.raw.to;
        CHECK(n > 0 && write(last->theirs, buf, (size_t)n) == n);
        CHECK(host_receives(&t, BOB, i));
    }
    for (unsigned i = 0; i < ENGINE_EXTRA_MAX; i++) engine_port_remove(t.engine, &more[i].port);
    CHECK(write(last->theirs, buf, 8) == 8);
    (void)poll(NULL, 0, 20);
    CHECK_EQ(read(last->mine, buf, sizeof buf), 8);
    CHECK_OK(engine_port_add(t.engine, &more[ENGINE_EXTRA_MAX].port)); // there is room again
    engine_port_remove(t.engine, &more[ENGINE_EXTRA_MAX].port);
    for (unsigned i = 0; i <= ENGINE_EXTRA_MAX; i++) fake_free(&more[i].port);
    town_close(&t);
}

// A port that has packets in hand is asked again, although its descriptor says nothing.
static void what_a_port_has_kept_is_fetched(void **state)
{
    (void)state;
    struct town t;
    town_open(&t, true);
    add_policies(&t);
    add_sa(&t);
    __atomic_store_n(&t.tun.hoards, true, __ATOMIC_RELAXED);
    for (uint16_t i = 0; i < MANY; i += 2) {
        host_sends(&t, BOB, i);
        host_sends(&t, BOB, i + 1);
        CHECK(host_receives(&t, BOB, i));
        CHECK(host_receives(&t, BOB, i + 1));
    }
    town_close(&t);
}

static bool one_is_held(struct town *t)
{
    return counts(t).held == 1;
}

static void a_packet_waits_for_its_sa(void **state)
{
    (void)state;
    struct town t;
    town_open(&t, true);
    add_policies(&t);
    host_sends(&t, BOB, 7);
    loop_timer_at(t.end, clock_mono() + WAIT_MS * NSEC_PER_MSEC);
    loop_run(t.loop); // until the news arrives
    CHECK_EQ(t.acquires, 1);
    CHECK(comes_true(&t, one_is_held));
    add_sa(&t);
    CHECK(host_receives(&t, BOB, 7));
    town_close(&t);
}

static bool one_in_clear(struct town *t)
{
    return __atomic_load_n(&t->clear.sent, __ATOMIC_RELAXED) == 1;
}

static void without_a_policy_it_passes_in_clear(void **state)
{
    (void)state;
    struct town t;
    town_open(&t, true);
    add_policies(&t);
    host_sends(&t, "192.0.2.7", 7);
    CHECK(comes_true(&t, one_in_clear));
    CHECK_EQ(t.raw.sent, 0);
    town_close(&t);
}

static bool one_refused(struct town *t)
{
    return counts(t).drops[DROP_SEND] == 1;
}

static void without_a_port_it_is_dropped_and_counted(void **state)
{
    (void)state;
    struct town t;
    town_open(&t, false);
    add_policies(&t);
    add_sa(&t);
    host_sends(&t, BOB, 7);
    CHECK(comes_true(&t, one_refused));
    town_close(&t);
}

static bool one_without_source(struct town *t)
{
    return counts(t).drops[DROP_UDP_SOURCE] == 1;
}

static void in_udp_it_leaves_by_the_port_of_the_sa(void **state)
{
    (void)state;
    struct town t;
    struct fake source;
    town_open(&t, true);
    fake_init(&source, true);
    add_policies(&t);
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1001);
    x.encap = (struct xfrm_encap){.type = 2, .sport = 5500, .dport = 4500};
    rig_add_sa(t.rig, &x);
    engine_kick(t.engine);
    host_sends(&t, BOB, 7);
    CHECK(comes_true(&t, one_without_source)); // not by another port, and not without UDP
    struct port *const ports[] = {&source.port};
    CHECK_OK(engine_source_add(t.engine, ENGINE_V4, 5500, ports));
    host_sends(&t, BOB, 7);
    for (int i = 0; i < WAIT_MS && !__atomic_load_n(&source.sent, __ATOMIC_ACQUIRE); i++)
        (void)poll(NULL, 0, 1);
    CHECK_EQ(__atomic_load_n(&source.sent, __ATOMIC_ACQUIRE), 1);
    CHECK_EQ(source.from.port, 5500);
    CHECK_EQ(t.raw.sent, 0);
    engine_source_remove(t.engine, ENGINE_V4, 5500);
    engine_source_remove(t.engine, ENGINE_V4, 5500); // twice does no harm
    fake_free(&source.port);
    town_close(&t);
}

static void there_is_an_end_of_sources(void **state)
{
    (void)state;
    struct town t;
    struct fake source[ENGINE_SOURCES_MAX + 1];
    town_open(&t, true);
    for (uint16_t i = 0; i <= ENGINE_SOURCES_MAX; i++) {
        struct port *const ports[] = {&source[i].port};
        fake_init(&source[i], true);
        err_t e = engine_source_add(t.engine, ENGINE_V4, (uint16_t)(6000 + i), ports);
        CHECK_EQ(e, i < ENGINE_SOURCES_MAX ? ERR_OK : ERR_LIMIT);
    }
    for (uint16_t i = 0; i <= ENGINE_SOURCES_MAX; i++) {
        engine_source_remove(t.engine, ENGINE_V4, (uint16_t)(6000 + i));
        fake_free(&source[i].port);
    }
    town_close(&t);
}

static bool is_lost(struct town *t)
{
    return engine_tun_lost(t->engine);
}

static void a_device_that_is_gone_is_noticed(void **state)
{
    (void)state;
    struct town t;
    struct why why;
    int fds[2];
    town_open(&t, false);
    engine_stop(t.engine);
    engine_free(t.engine);
    // A pipe without a writer is, like a deleted device, no socket and for ever in error.
    CHECK(pipe(fds) == 0);
    (void)close(t.tun.mine);
    t.tun.mine = fds[0];
    const struct engine_ports ports = {.tun = &t.tun.port};
    const struct engine_conf conf = {
        .db = t.rig->db, .loop = t.loop, .ports = &ports, .workers = 1};
    CHECK_OK(engine_new(&conf, &t.engine, &why));
    CHECK_OK(engine_start(t.engine, &why));
    CHECK(!engine_tun_lost(t.engine));
    (void)close(fds[1]);
    CHECK(comes_true(&t, is_lost));
    town_close(&t);
}

// ---- several workers ----

#define CITY_WORKERS 3
#define TRAIN 100

struct city {
    struct town town; // its rig, loop and engine; its ports are not used
    struct fake tun[CITY_WORKERS], raw[CITY_WORKERS];
};

static void city_open(struct city *c)
{
    struct why why = {""};
    struct engine_ports ports[CITY_WORKERS] = {0};
    c->town = (struct town){.rig = rig_new(), .loop = loop_new()};
    for (unsigned i = 0; i < CITY_WORKERS; i++) {
        fake_init(&c->tun[i], false);
        fake_init(&c->raw[i], true);
        ports[i].tun = &c->tun[i].port;
        ports[i].raw[ENGINE_V4] = &c->raw[i].port;
    }
    const struct engine_conf conf = {
        .db = c->town.rig->db, .loop = c->town.loop, .ports = ports, .workers = CITY_WORKERS};
    CHECK_OK(engine_new(&conf, &c->town.engine, &why));
    CHECK_OK(engine_start(c->town.engine, &why));
}

static void city_close(struct city *c)
{
    engine_stop(c->town.engine);
    engine_free(c->town.engine);
    for (unsigned i = 0; i < CITY_WORKERS; i++) {
        fake_free(&c->tun[i].port);
        fake_free(&c->raw[i].port);
    }
    loop_free(c->town.loop);
    rig_free(c->town.rig);
}

static void city_sends(struct city *c, unsigned queue, uint16_t port)
{
    uint8_t buf[512];
    uint32_t n = rig_udp(buf, ALICE, BOB, 1000, port, 64);
    CHECK(write(c->tun[queue].theirs, buf, n) == (ssize_t)n);
}

// The UDP destination port of the next packet that this queue delivers; -1: none comes.
static int city_receives(struct city *c, unsigned queue)
{
    uint8_t got[512];
    struct pollfd p = {.fd = c->tun[queue].theirs, .events = POLLIN};
    if (poll(&p, 1, WAIT_MS) != 1) return -1;
    if (read(c->tun[queue].theirs, got, sizeof got) < 28) return -1;
    return got[22] << 8 | got[23];
}

// Whoever meets the SA's first packet owns it; what comes to others goes through his hands.
static void an_sa_stays_with_one_worker(void **state)
{
    (void)state;
    struct city c;
    city_open(&c);
    add_policies(&c.town);
    add_sa(&c.town);
    for (uint16_t i = 0; i < MANY; i++) {
        city_sends(&c, i ? i % CITY_WORKERS : 1, i);
        CHECK_EQ(city_receives(&c, 1), i);
    }
    engine_stop(c.town.engine);
    struct engine_counts all = counts(&c.town), owner;
    engine_counts_of(c.town.engine, 1, &owner);
    CHECK_EQ(all.packets_out, MANY);
    CHECK_EQ(owner.packets_out, MANY);
    CHECK_EQ(owner.packets_in, MANY);
    CHECK_EQ(owner.handed_over, 0);
    CHECK_EQ(all.handed_over, MANY - (MANY + CITY_WORKERS - 2) / CITY_WORKERS - 1);
    CHECK_EQ(c.raw[1].sent, MANY);
    city_close(&c);
}

// What takes over from it stays there, too, or packets would overtake those that wait with it.
static void the_next_sa_has_the_owner_of_the_one_before(void **state)
{
    (void)state;
    struct city c;
    city_open(&c);
    add_policies(&c.town);
    add_sa(&c.town);
    city_sends(&c, 1, 9);
    CHECK_EQ(city_receives(&c, 1), 9);
    for (uint16_t i = 0; i < MANY; i++) {
        struct xfrm_sa next = rig_sa(MOON, SUN, 0x1001 + CITY_WORKERS * (1U + i));
        CHECK_OK(c.town.rig->api.ops->sa_add(c.town.rig->api.ctx, &next, NULL));
        city_sends(&c, i % CITY_WORKERS, i);
        CHECK_EQ(city_receives(&c, 1), i);
    }
    city_close(&c);
}

static void order_survives_handing_over(void **state)
{
    (void)state;
    struct city c;
    city_open(&c);
    add_policies(&c.town);
    add_sa(&c.town);
    city_sends(&c, 2, 9);
    CHECK_EQ(city_receives(&c, 2), 9);
    for (uint16_t round = 0; round < MANY / TRAIN; round++) {
        for (uint16_t i = 0; i < TRAIN; i++) city_sends(&c, 0, i);
        for (uint16_t i = 0; i < TRAIN; i++) CHECK_EQ(city_receives(&c, 2), i);
    }
    CHECK_EQ(counts(&c.town).drops[DROP_HAND_OVER], 0);
    city_close(&c);
}

// Nobody knows what lies inside a packet of a bundle: all SAs are in one hand.
static void with_bundles_all_is_done_by_the_first(void **state)
{
    (void)state;
    struct city c;
    city_open(&c);
    add_policies(&c.town);
    db_note_bundle(c.town.rig->db);
    add_sa(&c.town);
    for (uint16_t i = 0; i < TRAIN; i++) {
        city_sends(&c, 1 + i % 2, i);
        CHECK_EQ(city_receives(&c, 0), i);
    }
    CHECK_EQ(counts(&c.town).handed_over, TRAIN);
    city_close(&c);
}

// A port that came later is the first worker's, who hands over what is another's.
static void a_port_that_comes_later_is_the_firsts(void **state)
{
    (void)state;
    struct city c;
    struct fake later;
    uint8_t buf[512];
    city_open(&c);
    add_policies(&c.town);
    add_sa(&c.town);
    city_sends(&c, 1, 9);
    CHECK_EQ(city_receives(&c, 1), 9); // from now on it is the second worker's
    fake_init(&later, false);
    CHECK_OK(engine_port_add(c.town.engine, &later.port));
    __atomic_store_n(&c.raw[1].echo, false, __ATOMIC_RELAXED);
    for (uint16_t i = 0; i < TRAIN; i++) {
        city_sends(&c, 1, i);
        struct pollfd p = {.fd = c.raw[1].theirs, .events = POLLIN};
        CHECK_EQ(poll(&p, 1, WAIT_MS), 1);
        ssize_t n = read(c.raw[1].theirs, buf, sizeof buf);
        later.from = c.raw[1].from;
        later.to = c.raw[1].to;
        CHECK(n > 0 && write(later.theirs, buf, (size_t)n) == n);
        CHECK_EQ(city_receives(&c, 1), i);
    }
    engine_port_remove(c.town.engine, &later.port);
    fake_free(&later.port);
    struct engine_counts first;
    engine_counts_of(c.town.engine, 0, &first);
    CHECK_EQ(first.handed_over, TRAIN);
    city_close(&c);
}

static void it_ends_with_packets_under_way(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        struct city c;
        city_open(&c);
        add_policies(&c.town);
        if (round % 2) add_sa(&c.town); // else they wait in the hold queue
        for (uint16_t i = 0; i < TRAIN; i++) city_sends(&c, i % CITY_WORKERS, i);
        city_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_go_out_sealed_and_come_back_open),
        cmocka_unit_test(what_a_port_has_kept_is_fetched),
        cmocka_unit_test(ports_come_and_go),
        cmocka_unit_test(a_packet_waits_for_its_sa),
        cmocka_unit_test(without_a_policy_it_passes_in_clear),
        cmocka_unit_test(without_a_port_it_is_dropped_and_counted),
        cmocka_unit_test(in_udp_it_leaves_by_the_port_of_the_sa),
        cmocka_unit_test(there_is_an_end_of_sources),
        cmocka_unit_test(a_device_that_is_gone_is_noticed),
        cmocka_unit_test(an_sa_stays_with_one_worker),
        cmocka_unit_test(the_next_sa_has_the_owner_of_the_one_before),
        cmocka_unit_test(order_survives_handing_over),
        cmocka_unit_test(with_bundles_all_is_done_by_the_first),
        cmocka_unit_test(a_port_that_comes_later_is_the_firsts),
        cmocka_unit_test(it_ends_with_packets_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
