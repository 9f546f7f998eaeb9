// What is said with a DHCP server, by a clock that moves on command; the test is the server.
#include "daemon/dhcp_talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/check.h"

#define SAID_MAX 600
#define MINUTE (60 * NSEC_PER_SEC)

static struct {
    uint64_t now, seed;
    unsigned said;
    struct {
        uint8_t bytes[DHCP_OUT_MAX];
        size_t len;
        ip_t to;
    } say[SAID_MAX];
    ip_t source;
    unsigned answers, frees, lost;
    err_t err;
    struct why why;
    struct dhcp_lease lease;
} w;

static ip_t ip(const char *text)
{
    ip_t a;
    CHECK_OK(ip_parse(text, &a));
    return a;
}

static uint64_t port_now(void *ctx)
{
    (void)ctx;
    return w.now;
}

static void port_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        w.seed = w.seed * 6364136223846793005U + 1442695040888963407U;
        ((uint8_t *)out)[i] = (uint8_t)(w.seed >> 56);
    }
}

static ip_t port_source(void *ctx, const ip_t *server)
{
    (void)ctx, (void)server;
    return w.source;
}

static void port_send(void *ctx, const ip_t *to, span_t m)
{
    (void)ctx;
    CHECK(w.said < SAID_MAX);
    memcpy(w.say[w.said].bytes, m.at, m.len);
    w.say[w.said].len = m.len;
    w.say[w.said++].to = *to;
}

static void port_answered(void *ctx, struct dhcp_ask *ask)
{
    (void)ctx;
    w.answers++;
    w.err = ask->err;
    w.why = ask->why;
    w.lease = ask->lease;
    free(ask);
}

static void port_lost(void *ctx, uint32_t lease)
{
    (void)ctx;
    CHECK_EQ(lease, w.lease.id);
    w.lost++;
}

static void ask_free(struct ike_work *work)
{
    w.frees++;
    free(work);
}

static struct dhcp_talks *talks(const char *server, bool identity_lease)
{
    const struct dhcp_port port = {NULL,      port_now,      port_random, port_source,
                                   port_send, port_answered, port_lost};
    struct strongswan_dhcp s = {.server = ip(server), .identity_lease = identity_lease};
    memset(&w, 0, sizeof w);
    w.now = MINUTE;
    w.source = ip("10.1.0.1");
    return dhcp_talks_new(&port, &s);
}

static struct dhcp_ask *ask_of(const char *who, const char *wish)
{
    struct dhcp_ask *a = calloc(1, sizeof *a);
    a->w.free = ask_free;
    a->wish = ip(wish);
    CHECK_OK(id_parse(who, &a->who, NULL));
    return a;
}

static void ask(struct dhcp_talks *t, const char *who, const char *wish, bool shares)
{
    struct dhcp_ask *a = ask_of(who, wish);
    unsigned before = w.answers;
    a->shares = shares;
    CHECK_OK(dhcp_talks_ask(t, a));
    CHECK_EQ(w.answers, before); // never during the call
    dhcp_talks_tick(t);
}

// The clock goes on, and what is due is done.
static void pass(struct dhcp_talks *t, uint64_t ns)
{
    uint64_t end = w.now + ns;
    while (dhcp_talks_next(t) <= end) {
        CHECK(dhcp_talks_next(t) >= w.now);
        w.now = dhcp_talks_next(t);
        dhcp_talks_tick(t);
    }
    w.now = end;
}

// ---- the server ----

static const uint8_t *last(void)
{
    CHECK(w.said > 0);
    return w.say[w.said - 1].bytes;
}

// The value of an option of our last message; NULL: it is not there.
static const uint8_t *option(uint8_t which, uint8_t *len)
{
    const uint8_t *at = last() + 240, *end = last() + w.say[w.said - 1].len;
    while (at < end && *at != 0xff) {
        *len = at[1];
        if (*at == which) return at + 2;
        at += 2 + at[1];
    }
    return NULL;
}

static uint8_t said(void)
{
    uint8_t len;
    return *option(53, &len);
}

struct reply {
    uint8_t type;
    const char *ip, *server;
    uint32_t lease_s;
    bool other_xid, other_mac;
};

static void answer(struct dhcp_talks *t, struct reply r)
{
    uint8_t m[300] = {2, 1, 6};
    ip_t yours = ip(r.ip), server = ip(r.server ? r.server : "10.1.0.20");
    memcpy(m + 4, last() + 4, 4);
    m[7] ^= r.other_xid;
    memcpy(m + 16, yours.b, 4);
    memcpy(m + 28, last() + 28, 6);
    m[33] ^= r.other_mac;
    wr_t o = wr_into(m + 236, sizeof m - 236);
    wr_u32(&o, DHCP_COOKIE);
    wr_bytes(&o, span("\x35\x01", 2));
    wr_u8(&o, r.type);
    wr_bytes(&o, span("\x36\x04", 2));
    wr_bytes(&o, span(server.b, 4));
    wr_bytes(&o, span("\x06\x04\x0a\x01\x00\x14\x33\x04", 8));
    wr_u32(&o, r.lease_s ? r.lease_s : 3600);
    wr_u8(&o, 0xff);
    dhcp_talks_hear(t, SPAN(m));
}

static void give(struct dhcp_talks *t, const char *address, uint32_t lease_s)
{
    unsigned before = w.answers;
    answer(t, (struct reply){.type = DHCP_OFFER, .ip = address, .lease_s = lease_s});
    CHECK_EQ(said(), DHCP_REQUEST);
    answer(t, (struct reply){.type = DHCP_ACK, .ip = address, .lease_s = lease_s});
    CHECK_EQ(w.answers, before + 1);
    CHECK_OK(w.err);
    ip_t got = w.lease.ip, want = ip(address);
    CHECK(ip_eq(&got, &want));
}

// ---- tests ----

static void client_of_a_relay(void **state)
{
    (void)state;
    uint8_t len;
    struct dhcp_talks *t = talks("10.1.255.255", true);
    ask(t, "carol@strongswan.org", "0.0.0.0", false);
    CHECK_EQ(said(), DHCP_DISCOVER);
    // What strongSwan's users have in their servers' tables.
    assert_memory_equal(last() + 28, "\x7a\xa7\x51\xcc\x22\x4a", 6);
    assert_memory_equal(last() + 24, w.source.b, 4);
    CHECK_EQ(last()[10], 0);
    assert_memory_equal(option(61, &len), "carol@strongswan.org", 20);
    assert_null(option(12, &len));
    assert_null(option(50, &len));
    answer(t, (struct reply){.type = DHCP_OFFER, .ip = "10.1.0.50"});
    CHECK_EQ(said(), DHCP_REQUEST);
    assert_memory_equal(option(50, &len), "\x0a\x01\x00\x32", 4);
    assert_memory_equal(option(54, &len), "\x0a\x01\x00\x14", 4);
    CHECK(ip_eq(&w.say[w.said - 1].to, &w.say[0].to));
    CHECK_EQ(w.answers, 0);
    answer(t, (struct reply){.type = DHCP_ACK, .ip = "10.1.0.50"});
    CHECK_EQ(w.answers, 1);
    CHECK_OK(w.err);
    CHECK_EQ(w.lease.dns_n, 1);
    dhcp_talks_release(t, w.lease.id);
    CHECK_EQ(said(), DHCP_RELEASE);
    assert_memory_equal(last() + 12, "\x0a\x01\x00\x32", 4);
    CHECK(ip_eq(&w.say[w.said - 1].to, &(ip_t){AF_INET, {10, 1, 0, 20}}));
    CHECK_EQ(dhcp_talks_next(t), UINT64_MAX);
    dhcp_talks_free(t, true);
    CHECK_EQ(w.said, 3);
}

static void client_that_broadcasts(void **state)
{
    (void)state;
    uint8_t len, mac[6];
    struct dhcp_talks *t = talks("255.255.255.255", false);
    ask(t, "dave.strongswan.org", "10.1.0.77", false);
    CHECK_EQ(last()[10], 0x80);
    assert_memory_equal(last() + 24, "\0\0\0\0", 4);
    assert_null(option(61, &len));
    assert_memory_equal(option(12, &len), "dave.strongswan.org", 19);
    assert_memory_equal(option(50, &len), "\x0a\x01\x00\x4d", 4);
    memcpy(mac, last() + 28, 6);
    CHECK_EQ(mac[0], 0x7a);
    give(t, "10.1.0.51", 0);
    ask(t, "dave.strongswan.org", "0.0.0.0", true);
    CHECK(memcmp(mac, last() + 28, 6) != 0); // another lease, another client
    dhcp_talks_free(t, true);
    CHECK_EQ(w.frees, 1);
    CHECK_EQ(said(), DHCP_RELEASE);
}

static void nobody_answers(void **state)
{
    (void)state;
    struct dhcp_talks *t = talks("10.1.255.255", false);
    uint64_t at[DHCP_TRIES + 1], begun = w.now;
    ask(t, "carol", "0.0.0.0", false);
    for (unsigned i = 0; i < DHCP_TRIES; i++) {
        CHECK_EQ(w.said, i + 1);
        at[i] = dhcp_talks_next(t);
        uint64_t pause = at[i] - (i ? at[i - 1] : begun), want = (UINT64_C(2) << i) * NSEC_PER_SEC;
        CHECK(pause >= want - NSEC_PER_SEC / 2 && pause <= want + NSEC_PER_SEC / 2);
        pass(t, at[i] - w.now);
    }
    CHECK_EQ(w.said, DHCP_TRIES);
    CHECK_EQ(w.answers, 1);
    CHECK_EQ(w.err, ERR_TIMEOUT);
    CHECK(strstr(w.why.text, "nobody offers an address"));
    CHECK_EQ(w.lease.id, 0);
    dhcp_talks_free(t, true);
}

static void server_falls_silent_after_its_offer(void **state)
{
    (void)state;
    struct dhcp_talks *t = talks("10.1.255.255", false);
    uint64_t begun = w.now;
    ask(t, "carol", "0.0.0.0", false);
    pass(t, 10 * NSEC_PER_SEC);
    answer(t, (struct reply){.type = DHCP_OFFER, .ip = "10.1.0.50"});
    unsigned requests = w.said;
    while (!w.answers) pass(t, NSEC_PER_SEC);
    CHECK(w.said > requests);
    CHECK_EQ(said(), DHCP_REQUEST);
    CHECK(w.now - begun <= DHCP_PATIENCE_NS + NSEC_PER_SEC);
    CHECK_EQ(w.err, ERR_TIMEOUT);
    dhcp_talks_free(t, true);
}

static void answers_that_are_not_meant(void **state)
{
    (void)state;
    struct dhcp_talks *t = talks("10.1.255.255", false);
    ask(t, "carol", "0.0.0.0", false);
    answer(t, (struct reply){.type = DHCP_OFFER, .ip = "10.1.0.50", .other_xid = true});
    answer(t, (struct reply){.type = DHCP_OFFER, .ip = "10.1.0.50", .other_mac = true});
    answer(t, (struct reply){.type = DHCP_ACK, .ip = "10.1.0.50"}); // without an offer
    answer(t, (struct reply){.type = DHCP_NAK, .ip = "0.0.0.0"});
    CHECK_EQ(w.said, 1);
    answer(t, (struct reply){.type = DHCP_OFFER, .ip = "10.1.0.50"});
    CHECK_EQ(w.said, 2);
    // another server; another address
    answer(t, (struct reply){.type = DHCP_ACK, .ip = "10.1.0.50", .server = "10.1.0.66"});
    answer(t, (struct reply){.type = DHCP_NAK, .ip = "0.0.0.0", .server = "10.1.0.66"});
    answer(t, (struct reply){.type = DHCP_ACK, .ip = "10.1.0.66"});
    answer(t, (struct reply){.type = DHCP_OFFER, .ip = "10.1.0.66"}); // too late
    CHECK_EQ(w.answers, 0);
    CHECK_EQ(w.said, 2);
    answer(t, (struct reply){.type = DHCP_ACK, .ip = "10.1.0.50"});
    CHECK_EQ(w.answers, 1);
    CHECK_OK(w.err);
    dhcp_talks_free(t, false);
    CHECK_EQ(w.said, 2);
}

static void server_takes_its_offer_back(void **state)
{
    (void)state;
    struct dhcp_talks *t = talks("10.1.255.255", false);
    ask(t, "carol", "0.0.0.0", false);
    for (unsigned i = 0; i <= DHCP_NAKS_MAX; i++) {
        CHECK_EQ(said(), DHCP_DISCOVER);
        answer(t, (struct reply){.type = DHCP_OFFER, .ip = "10.1.0.50"});
        answer(t, (struct reply){.type = DHCP_NAK, .ip = "0.0.0.0"});
    }
    CHECK_EQ(w.answers, 1);
    CHECK_EQ(w.err, ERR_CLOSED);
    dhcp_talks_free(t, true);
}

static void an_address_is_given_once(void **state)
{
    (void)state;
    struct dhcp_talks *t = talks("10.1.255.255", false);
    ask(t, "carol", "0.0.0.0", false);
    give(t, "10.1.0.50", 0);
    ask(t, "dave", "10.1.0.50", true);
    answer(t, (struct reply){.type = DHCP_OFFER, .ip = "10.1.0.50"});
    CHECK_EQ(said(), DHCP_DISCOVER); // not taken
    give(t, "10.1.0.51", 0);
    dhcp_talks_free(t, true);
}

// Reauthentication: the client asks for what it has by the IKE SA before.
static void the_same_address_again(void **state)
{
    (void)state;
    struct dhcp_talks *t = talks("10.1.255.255", false);
    ask(t, "carol", "0.0.0.0", false);
    give(t, "10.1.0.50", 0);
    uint32_t id = w.lease.id;
    unsigned before = w.said;
    ask(t, "carol", "10.1.0.50", false);
    CHECK_EQ(w.answers, 2);
    CHECK_EQ(w.lease.id, id);
    CHECK_EQ(w.said, before);
    dhcp_talks_release(t, id);
    CHECK_EQ(w.said, before); // one of them has it still
    dhcp_talks_release(t, id);
    CHECK_EQ(said(), DHCP_RELEASE);
    dhcp_talks_free(t, true);
}

static void hosts_of_one_identity(void **state)
{
    (void)state;
    uint8_t len;
    struct dhcp_talks *t = talks("10.1.255.255", true);
    ask(t, "carol", "0.0.0.0", false);
    give(t, "10.1.0.50", 0);
    ask(t, "carol", "0.0.0.0", true); // the newer replaces the older
    CHECK_EQ(w.answers, 2);
    CHECK(ip_eq(&w.lease.ip, &(ip_t){AF_INET, {10, 1, 0, 50}}));
    ask(t, "carol", "0.0.0.0", false); // both stay
    CHECK_EQ(said(), DHCP_DISCOVER);
    assert_null(option(61, &len));
    give(t, "10.1.0.51", 0);
    dhcp_talks_free(t, true);
}

static void lease_is_renewed(void **state)
{
    (void)state;
    uint8_t len;
    struct dhcp_talks *t = talks("10.1.255.255", false);
    ask(t, "carol", "0.0.0.0", false);
    give(t, "10.1.0.50", 3600);
    unsigned before = w.said;
    pass(t, 28 * MINUTE);
    CHECK_EQ(w.said, before);
    pass(t, 3 * MINUTE);
    CHECK_EQ(w.said, before + 1);
    CHECK_EQ(said(), DHCP_REQUEST);
    assert_memory_equal(option(50, &len), "\x0a\x01\x00\x32", 4);
    assert_null(option(54, &len));
    answer(t, (struct reply){.type = DHCP_ACK, .ip = "10.1.0.50", .lease_s = 7200});
    pass(t, 50 * MINUTE);
    CHECK_EQ(w.said, before + 1);
    CHECK_EQ(w.lost, 0);
    CHECK_EQ(w.answers, 1);
    dhcp_talks_free(t, true);
}

static void lease_runs_out(void **state)
{
    (void)state;
    struct dhcp_talks *t = talks("10.1.255.255", false);
    ask(t, "carol", "0.0.0.0", false);
    give(t, "10.1.0.50", 3600);
    unsigned before = w.said;
    pass(t, 59 * MINUTE);
    CHECK_EQ(w.lost, 0);
    CHECK(w.said > before + 3);
    CHECK(w.said < before + 12); // half of what is left, a minute at least
    pass(t, MINUTE);
    CHECK_EQ(w.lost, 1);
    dhcp_talks_release(t, w.lease.id); // the IKE SA has gone
    CHECK_EQ(said(), DHCP_REQUEST);
    dhcp_talks_free(t, true);
}

static void lease_is_taken_back(void **state)
{
    (void)state;
    struct dhcp_talks *t = talks("10.1.255.255", false);
    ask(t, "carol", "0.0.0.0", false);
    give(t, "10.1.0.50", 3600);
    answer(t, (struct reply){.type = DHCP_NAK, .ip = "0.0.0.0"}); // nobody has asked
    CHECK_EQ(w.lost, 0);
    pass(t, 31 * MINUTE);
    answer(t, (struct reply){.type = DHCP_NAK, .ip = "0.0.0.0"});
    CHECK_EQ(w.lost, 1);
    CHECK_EQ(dhcp_talks_next(t), UINT64_MAX);
    dhcp_talks_free(t, true);
}

static void no_more_than_so_many(void **state)
{
    (void)state;
    struct dhcp_talks *t = talks("10.1.255.255", false);
    char who[16];
    for (unsigned i = 0; i < DHCP_TALKS_MAX; i++) {
        (void)snprintf(who, sizeof who, "carol%u", i / DHCP_TALKS_EACH);
        CHECK_OK(dhcp_talks_ask(t, ask_of(who, "0.0.0.0")));
        if (i < DHCP_TALKS_EACH - 1) continue;
        struct dhcp_ask *too_many = ask_of("carol0", "0.0.0.0");
        CHECK_EQ(dhcp_talks_ask(t, too_many), ERR_LIMIT);
        free(too_many);
    }
    struct dhcp_ask *one_more = ask_of("dave", "0.0.0.0");
    CHECK_EQ(dhcp_talks_ask(t, one_more), ERR_LIMIT);
    free(one_more);
    dhcp_talks_free(t, true);
    CHECK_EQ(w.frees, DHCP_TALKS_MAX);
}

static void no_way_to_the_server(void **state)
{
    (void)state;
    struct dhcp_talks *t = talks("10.1.255.255", false);
    w.source.family = AF_UNSPEC;
    ask(t, "carol", "0.0.0.0", false);
    CHECK_EQ(w.answers, 1);
    CHECK(strstr(w.why.text, "there is no route (DHCP server 10.1.255.255)"));
    dhcp_talks_free(t, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_of_a_relay),
        cmocka_unit_test(client_that_broadcasts),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(server_falls_silent_after_its_offer),
        cmocka_unit_test(answers_that_are_not_meant),
        cmocka_unit_test(server_takes_its_offer_back),
        cmocka_unit_test(an_address_is_given_once),
        cmocka_unit_test(the_same_address_again),
        cmocka_unit_test(hosts_of_one_identity),
        cmocka_unit_test(lease_is_renewed),
        cmocka_unit_test(lease_runs_out),
        cmocka_unit_test(lease_is_taken_back),
        cmocka_unit_test(no_more_than_so_many),
        cmocka_unit_test(no_way_to_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
