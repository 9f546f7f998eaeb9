#include "cred/psk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/check.h"

// A key and up to two owners.
struct entry {
    const char *key, *owner[2];
};

static struct id id(const char *text)
{
    struct id out;
    CHECK_OK(id_parse(text, &out, NULL));
    return out;
}

// Which key of the entries do us and peer share? "" if none.
static const char *find(const struct entry *e, size_t n, const char *us, const char *peer)
{
    static char found[64];
    struct psk_store *s = psk_store_new();
    for (size_t i = 0; i < n; i++) {
        struct id owners[2];
        unsigned count = 0;
        while (count < 2 && e[i].owner[count]) {
            owners[count] = id(e[i].owner[count]);
            count++;
        }
        CHECK_OK(psk_add(s, span_str(e[i].key), owners, count));
    }
    struct id a = id(us), b = id(peer);
    struct secret key = {0};
    found[0] = 0;
    if (psk_find(s, &a, &b, &key) == ERR_OK) {
        memcpy(found, key.at, key.len);
        found[key.len] = 0;
    }
    secret_done(&key);
    psk_store_free(s);
    return found;
}
#define FIND(us, peer, ...)                   \
    find((const struct entry[]){__VA_ARGS__}, \
         sizeof((const struct entry[]){__VA_ARGS__}) / sizeof(struct entry), us, peer)

static void both_owners_beat_one_beat_none(void **state)
{
    (void)state;
    CHECK_STR(FIND("moon", "sun", {"none", {0}}, {"peer", {"sun"}}, {"both", {"moon", "sun"}}),
              "both");
    CHECK_STR(FIND("moon", "sun", {"none", {0}}, {"peer", {"sun"}}, {"us", {"moon"}}), "peer");
    CHECK_STR(FIND("moon", "sun", {"none", {0}}, {"us", {"moon"}}), "us");
    CHECK_STR(FIND("moon", "sun", {"none", {0}}, {"other", {"venus", "mars"}}), "none");
    CHECK_STR(FIND("moon", "sun", {"any", {"%any"}}), "any");
}

static void the_more_specific_owner_wins(void **state)
{
    (void)state;
    CHECK_STR(FIND("m.example.org", "s.example.org", {"wild", {"m.example.org", "*.example.org"}},
                   {"exact", {"m.example.org", "s.example.org"}}),
              "exact");
    CHECK_STR(FIND("moon", "s.example.org", {"any", {"%any"}}, {"wild", {"*.example.org"}}),
              "wild");
    CHECK_STR(FIND("moon", "sun", {"us", {"moon"}}, {"us and any", {"moon", "%any"}}),
              "us and any");
    CHECK_STR(FIND("moon", "sun", {"first", {"sun"}}, {"second", {"sun"}}), "first");
}

static void strangers_get_nothing(void **state)
{
    (void)state;
    CHECK_STR(FIND("moon", "sun", {"other", {"venus", "mars"}}), "");
    CHECK_STR(FIND("moon", "sun", {"mail", {"@@sun"}}), "");
    CHECK_STR(find(NULL, 0, "moon", "sun"), "");
}

static void an_unknown_peer_gets_our_key(void **state)
{
    (void)state;
    CHECK_STR(FIND("moon", "%any", {"other", {"venus", "mars"}}, {"ours", {"moon", "sun"}}),
              "ours");
    CHECK_STR(FIND("moon", "%any", {"other", {"venus", "mars"}}), "");
}

static void too_long_a_key_is_refused(void **state)
{
    (void)state;
    static const uint8_t key[SECRET_MAX + 1];
    struct psk_store *s = psk_store_new();
    CHECK_EQ(psk_add(s, SPAN(key), NULL, 0), ERR_SPACE);
    CHECK_OK(psk_add(s, span(key, SECRET_MAX), NULL, 0));
    psk_store_free(s);
    psk_store_free(NULL);
}

// As the header says: how many are named, the more specific owner of the peer's, then of ours.
static unsigned rank_of(const struct id *owners, unsigned n, const struct id *us,
                        const struct id *peer)
{
    unsigned mine = n == 0, theirs = n == 0;
    for (unsigned i = 0; i < n; i++) {
        if (id_match(&owners[i], us) > mine) mine = id_match(&owners[i], us);
        if (id_match(&owners[i], peer) > theirs) theirs = id_match(&owners[i], peer);
    }
    return (mine > 1 ? 256U : 0U) + (theirs > 1 ? 256U : 0U) + theirs * 16U + mine;
}

#define MANY 3000

static struct id random_owner(void)
{
    char text[64];
    int n = rand() % 400;
    if (n < 100) return id("gw.example.org");
    if (n < 103) return id("%any");
    if (n < 106) return id("*.example.org");
    (void)snprintf(text, sizeof text, n % 2 ? "u%d.example.org" : "10.0.0.%d", n % 200);
    return id(text);
}

static void among_thousands(void **state)
{
    static struct id owners[MANY][2];
    static unsigned count[MANY];
    struct psk_store *s = psk_store_new();
    (void)state;
    srand(3);
    for (unsigned i = 0; i < MANY; i++) {
        count[i] = rand() % 500 ? 2 : (unsigned)rand() % 2;
        for (unsigned k = 0; k < count[i]; k++) owners[i][k] = random_owner();
        CHECK_OK(psk_add(s, span((const uint8_t *)&i, sizeof i), owners[i], count[i]));
    }
    for (unsigned n = 0; n < 300; n++) {
        const struct id us = n % 3 ? id("gw.example.org") : random_owner(), peer = random_owner();
        unsigned best = 0, want = MANY;
        for (unsigned i = 0; i < MANY; i++) {
            unsigned rank = rank_of(owners[i], count[i], &us, &peer);
            if (rank > best) want = i;
            if (rank > best) best = rank;
        }
        struct secret key = {0};
        CHECK_EQ(psk_find(s, &us, &peer, &key), want < MANY ? ERR_OK : ERR_NOTFOUND);
        if (want < MANY) CHECK(memcmp(key.at, &want, sizeof want) == 0);
        secret_done(&key);
    }
    psk_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_owners_beat_one_beat_none),
        cmocka_unit_test(among_thousands),
        cmocka_unit_test(the_more_specific_owner_wins),
        cmocka_unit_test(strangers_get_nothing),
        cmocka_unit_test(an_unknown_peer_gets_our_key),
        cmocka_unit_test(too_long_a_key_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
