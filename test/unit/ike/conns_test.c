// Which connections are looked at for a stranger: never fewer than a walk over all would find, and
// in the same order.
#include "ike/sa/conns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "test/check.h"

#define MANY 600

static struct config *config_of(const char *text)
{
    struct conf_issues issues = {0};
    struct config *c = NULL;
    CHECK_OK(config_load_text("test", span_str(text), &c, &issues));
    conf_issues_done(&issues);
    return c;
}

// Peers at one address, at several, in a network, anywhere; with one identity, a pattern, any.
static void write_conn(struct text *t, unsigned i)
{
    char peer[5][64] = {[2] = "%any"}, id[4][64] = {"*.example.org", "%any"};
    unsigned n = (unsigned)rand() % 40;
    (void)snprintf(peer[0], sizeof peer[0], "10.0.%u.1, 10.1.%u.1", n, n);
    (void)snprintf(peer[1], sizeof peer[1], "10.0.%u.0/24", n);
    (void)snprintf(peer[3], sizeof peer[3], "10.0.%u.1", n);
    (void)snprintf(peer[4], sizeof peer[4], "10.0.%u.1", n);
    (void)snprintf(id[2], sizeof id[2], "u%u.example.org", n);
    (void)snprintf(id[3], sizeof id[3], "10.9.0.%u", n);
    text_add(t, "c%u { remote_addrs = %s\n local { auth = psk\n }\n", i, peer[rand() % 5]);
    text_add(t, " remote { auth = psk\n id = %s\n }\n }\n", id[rand() % 4]);
}

static struct conns *crowd(void)
{
    static struct conns all;
    AUTO(text) struct text t = {0};
    text_add(&t, "secrets { ike-a { secret = s\n }\n }\nconnections {\n");
    for (unsigned i = 0; i < MANY; i++) write_conn(&t, i);
    text_add(&t, "}\n");
    struct config *c = config_of(text_str(&t));
    CHECK_OK(conns_make(c, &all));
    config_free(c);
    return &all;
}

// For anybody, as an earlier one is? These differ in their addresses only.
static bool is_spoken_for(const struct conns *all, const struct conn *c)
{
    const struct conf_host *b = c->conf.remote_addr;
    for (const struct conn *e = all->first; !conn_only_peer(c) && e != c; e = e->next) {
        const struct conf_host *a = e->conf.remote_addr;
        bool same = e->conf.remote_addr_n == c->conf.remote_addr_n && a->any == b->any &&
                    ip_eq(&a->lo, &b->lo) && ip_eq(&a->hi, &b->hi);
        if (same && !conn_only_peer(e)) return true;
    }
    return false;
}

static void for_a_peer_none_is_missed(void **state)
{
    (void)state;
    srand(1);
    struct conns *all = crowd();
    for (unsigned n = 0; n < 50; n++) {
        ip_t us, peer;
        char text[32];
        struct conns_walk w;
        unsigned seen = 0;
        (void)snprintf(text, sizeof text, "10.0.%u.1", n);
        CHECK_OK(ip_parse("192.0.2.1", &us));
        CHECK_OK(ip_parse(text, &peer));
        const struct conn *found = conns_for_peer(all, &peer, &w);
        for (const struct conn *c = all->first; c; c = c->next) {
            if (!conn_fit(c, &us, &peer) || is_spoken_for(all, c)) continue;
            while (found && found != c) { // others are allowed, but not out of their order
                CHECK(found->place < c->place);
                found = conns_next(&w);
            }
            CHECK(found == c);
            found = conns_next(&w);
            seen++;
        }
        CHECK(seen > 0);
    }
    conns_done(all);
}

static void for_an_identity_none_is_missed(void **state)
{
    (void)state;
    srand(2);
    struct conns *all = crowd();
    for (unsigned n = 0; n < 100; n++) {
        struct id id;
        char text[32];
        struct conns_walk w;
        ip_t us, peer;
        if (n % 2) (void)snprintf(text, sizeof text, "U%u.Example.org", n / 2);
        if (n % 2 == 0) (void)snprintf(text, sizeof text, "10.9.0.%u", n / 2);
        CHECK_OK(id_parse(text, &id, NULL));
        CHECK_OK(ip_parse("192.0.2.1", &us));
        (void)snprintf(text, sizeof text, "10.0.%u.1", n % 40);
        CHECK_OK(ip_parse(text, &peer));
        const struct conn *found = conns_for_id(all, &id, &peer, &w);
        for (const struct conn *c = all->first; c; c = c->next) {
            if (!id_match(&c->conf.remote.id, &id) || !conn_fit(c, &us, &peer)) continue;
            while (found && found != c) {
                CHECK(found->place < c->place);
                found = conns_next(&w);
            }
            CHECK(found == c);
            found = conns_next(&w);
        }
    }
    conns_done(all);
}

// A stranger's message does not walk over connections that name other addresses.
static void others_are_passed_by(void **state)
{
    AUTO(text) struct text t = {0};
    struct conns all;
    struct conns_walk w;
    ip_t peer;
    (void)state;
    text_add(&t, "secrets { ike-a { secret = s\n }\n }\nconnections {\n");
    for (unsigned i = 0; i < MANY; i++) {
        text_add(&t, "c%u { remote_addrs = 10.%u.%u.1\n local { auth = psk\n }\n", i, i >> 8,
                 i & 255);
        text_add(&t, " remote { auth = psk\n id = u%u.example.org\n }\n }\n", i);
    }
    text_add(&t, "}\n");
    struct config *c = config_of(text_str(&t));
    CHECK_OK(conns_make(c, &all));
    CHECK_OK(ip_parse("10.1.7.1", &peer));
    const struct conn *found = conns_for_peer(&all, &peer, &w);
    CHECK(found && found->place == 263 && !conns_next(&w));
    CHECK(conns_for_id(&all, &found->conf.remote.id, &peer, &w) == found && !conns_next(&w));
    CHECK(conns_named(&all, "c599") && !conns_named(&all, "c600"));
    conns_done(&all);
    CHECK(!conns_named(&all, "c1") && !conns_for_peer(&all, &peer, &w)); // none are in force
    config_free(c);
}

static unsigned walked(const struct conns *all, const char *from)
{
    struct conns_walk w;
    unsigned n = 0;
    ip_t peer;
    CHECK_OK(ip_parse(from, &peer));
    for (struct conn *c = conns_for_peer(all, &peer, &w); c; c = conns_next(&w)) n += 1 + c->alike;
    return n;
}

// One road warrior each, from anywhere: what differs before IKE_AUTH is looked at, and no more.
static void those_alike_are_one(void **state)
{
    AUTO(text) struct text t = {0};
    struct conns all;
    struct conns_walk w;
    ip_t peer;
    (void)state;
    text_add(&t, "secrets { ike-a { secret = s\n }\n }\nconnections {\n");
    for (unsigned i = 0; i < MANY; i++) {
        text_add(&t, "c%u { remote_addrs = %%any\n local { auth = psk\n }\n", i);
        if (i % 3 == 2) text_add(&t, " proposals = aes256gcm16-prfsha384-ecp384\n");
        if (i % 5 == 4) text_add(&t, " local_addrs = 192.0.2.1\n");
        text_add(&t, " remote { auth = psk\n id = u%u.example.org\n }\n }\n", i);
    }
    text_add(&t, "}\n");
    struct config *c = config_of(text_str(&t));
    CHECK_OK(conns_make(c, &all));
    CHECK_OK(ip_parse("203.0.113.5", &peer));
    const unsigned heads[] = {0, 2, 4, 14};
    const struct conn *at = conns_for_peer(&all, &peer, &w);
    for (unsigned i = 0; i < 4; i++, at = conns_next(&w)) CHECK(at && at->place == heads[i]);
    CHECK(!at);
    CHECK(walked(&all, "203.0.113.5") == MANY);
    conns_done(&all);
    config_free(c);
}

// One site each, found by its address: those without an identity are walked over by nobody else.
static void others_without_an_identity_are_passed_by(void **state)
{
    AUTO(text) struct text t = {0};
    struct conns all;
    struct conns_walk w;
    struct id id;
    ip_t peer;
    (void)state;
    text_add(&t, "secrets { ike-a { secret = s\n }\n }\nconnections {\n");
    for (unsigned i = 0; i < MANY; i++) {
        text_add(&t, "c%u { remote_addrs = 10.%u.%u.1\n local { auth = psk\n }\n", i, i >> 8,
                 i & 255);
        text_add(&t, " remote { auth = psk\n id = %%any\n }\n }\n");
    }
    text_add(&t, "}\n");
    struct config *c = config_of(text_str(&t));
    CHECK_OK(conns_make(c, &all));
    CHECK_OK(ip_parse("10.1.7.1", &peer));
    CHECK_OK(id_parse("moon.example.org", &id, NULL));
    const struct conn *found = conns_for_id(&all, &id, &peer, &w);
    CHECK(found && found->place == 263 && !conns_next(&w));
    conns_done(&all);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(for_a_peer_none_is_missed),
        cmocka_unit_test(for_an_identity_none_is_missed),
        cmocka_unit_test(others_are_passed_by),
        cmocka_unit_test(those_alike_are_one),
        cmocka_unit_test(others_without_an_identity_are_passed_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
