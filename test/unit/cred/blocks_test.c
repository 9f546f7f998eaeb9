// IP address blocks in certificates (RFC 3779): sets of ranges, and what a path leaves of them.
#include "cred/blocks.h"

#include <stdio.h>
#include <string.h>

#include "cred/trust.h"
#include "test/check.h"
#include "test/unit/cred/mint.h"

// ---- sets ----

static struct block block(const char *lo, const char *hi)
{
    struct block b;
    CHECK_OK(ip_parse(lo, &b.lo));
    CHECK_OK(ip_parse(hi, &b.hi));
    return b;
}

static const char *show(const struct blocks *b)
{
    static char text[BLOCKS_TEXT_MAX];
    return blocks_show(b, text);
}

static void ranges_become_few(void **state)
{
    (void)state;
    const struct block at[] = {
        block("10.2.0.0", "10.2.255.255"),     block("fec0::", "fec0::ff"),
        block("10.1.0.0", "10.1.255.255"), // touches the first
        block("10.1.5.0", "10.1.6.0"),     // within
        block("192.0.2.9", "192.0.2.1"),   // nothing
        block("10.4.0.0", "10.4.0.0"),         block("255.255.255.255", "255.255.255.255"),
        block("255.0.0.0", "255.255.255.255"),
    };
    struct blocks *b = blocks_new(at, sizeof at / sizeof *at);
    CHECK_STR(show(b), "10.1.0.0..10.2.255.255 10.4.0.0/32 255.0.0.0/8 fec0::/120");
    blocks_free(b);
    b = blocks_new(NULL, 0);
    CHECK_STR(show(b), "no address");
    const struct block any = block("0.0.0.0", "255.255.255.255");
    CHECK(blocks_around(b, &any) == NULL);
    blocks_free(b);
}

static void around_is_the_whole(void **state)
{
    (void)state;
    const struct block at[] = {block("10.1.0.0", "10.1.255.255"), block("10.2.0.0", "10.2.0.255"),
                               block("fec1::", "fec1::ffff")};
    struct blocks *b = blocks_new(at, 3);
    const struct {
        const char *lo, *hi;
        bool in;
    } tries[] = {
        {"10.1.0.0", "10.1.255.255", true},
        {"10.1.0.0", "10.2.0.255", true},
        {"10.1.0.0", "10.2.1.0", false},
        {"10.0.255.255", "10.1.0.0", false},
        {"10.3.0.0", "10.3.0.0", false},
        {"0.0.0.0", "255.255.255.255", false},
        {"fec1::", "fec1::ffff", true},
        {"fec1::", "fec1::1:0", false},
        {"::", "::", false},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        const struct block part = block(tries[i].lo, tries[i].hi);
        CHECK_EQ(blocks_around(b, &part) != NULL, tries[i].in);
    }
    blocks_free(b);
}

static void what_both_have(void **state)
{
    (void)state;
    const struct block a[] = {block("10.0.0.0", "10.0.0.9"), block("10.0.0.20", "10.0.0.29"),
                              block("fec0::", "fec0::9")};
    const struct block b[] = {block("10.0.0.5", "10.0.0.24"), block("10.0.0.29", "10.9.0.0")};
    struct blocks *x = blocks_new(a, 3), *y = blocks_new(b, 2), *both = blocks_meet(x, y);
    CHECK_STR(show(both), "10.0.0.5..10.0.0.9 10.0.0.20..10.0.0.24 10.0.0.29/32");
    struct blocks *back = blocks_meet(y, x), *none = blocks_new(NULL, 0),
                  *void_ = blocks_meet(x, none);
    CHECK_EQ(blocks_count(back), 3);
    CHECK_EQ(blocks_count(void_), 0);
    blocks_free(x);
    blocks_free(y);
    blocks_free(both);
    blocks_free(back);
    blocks_free(none);
    blocks_free(void_);
}

// ---- paths ----

struct scene {
    struct trust *store;
    struct mint root, sub, moon;
    struct trust_chain found;
    struct why why;
};

static err_t scene_ask(struct scene *s, const char *root, const char *sub, const char *moon)
{
    struct cert *chain[2];
    const struct trust_terms terms = {.revocation = REVOCATION_OFF};
    *s = (struct scene){.store = trust_new()};
    s->root = MINT(.name = "CN=Root", .ext = {MINT_CA, root});
    s->sub = MINT(.name = "CN=Sub", .by = &s->root, .ext = {MINT_CA, sub});
    s->moon = MINT(.name = "CN=moon", .by = &s->sub, .ext = {"subjectAltName=DNS:moon", moon});
    CHECK_OK(trust_add_ca(s->store, s->root.cert, &s->why));
    chain[0] = s->moon.cert;
    chain[1] = s->sub.cert;
    return trust_verify(s->store, chain, 2, &terms, MINT_NOW, &s->found, &s->why);
}

static void scene_done(struct scene *s)
{
    trust_chain_done(&s->found);
    trust_free(s->store);
    mint_done(&s->root);
    mint_done(&s->sub);
    mint_done(&s->moon);
}

#define BLOCKS(list) "sbgp-ipAddrBlock=critical," list
#define HINT(list) "sbgp-ipAddrBlock=" list

static void what_a_path_leaves(void **state)
{
    (void)state;
    static const struct {
        const char *root, *sub, *moon, *left;
    } tries[] = {
        {BLOCKS("IPv4:10.0.0.0/8"), BLOCKS("IPv4:10.0.0.0/14"), BLOCKS("IPv4:10.1.0.0/16"),
         "10.1.0.0/16"},
        {HINT("IPv4:10.0.0.0/8"), HINT("IPv4:10.0.0.0/14"), HINT("IPv4:10.1.0.0/16"),
         "10.1.0.0/16"},
        // As its issuer, and that one as its own.
        {BLOCKS("IPv4:10.0.0.0/8,IPv6:fec0::/16"), BLOCKS("IPv4:10.1.0.0/16,IPv6:inherit"),
         BLOCKS("IPv4:inherit,IPv6:inherit"), "10.1.0.0/16 fec0::/16"},
        {BLOCKS("IPv4:10.0.0.0/8"), BLOCKS("IPv4:inherit"), BLOCKS("IPv4:10.1.0.0-10.1.0.6"),
         "10.1.0.0..10.1.0.6"},
        // A family that is not named is not given.
        {BLOCKS("IPv4:10.0.0.0/8,IPv6:fec0::/16"), BLOCKS("IPv4:inherit,IPv6:inherit"),
         BLOCKS("IPv6:fec0::/32"), "fec0::/32"},
        // Multicast is no peer's (SAFI 2); unicast by name is.
        {BLOCKS("IPv4-SAFI:1:10.0.0.0/8,IPv4-SAFI:2:224.0.0.0/4"),
         BLOCKS("IPv4-SAFI:1:inherit,IPv4-SAFI:2:inherit"),
         BLOCKS("IPv4-SAFI:1:10.1.0.0/16,IPv4-SAFI:2:224.1.0.0/16"), "10.1.0.0/16"},
        {BLOCKS("IPv4:0.0.0.0/0"), BLOCKS("IPv4:inherit"), BLOCKS("IPv4:255.255.255.255"),
         "255.255.255.255/32"},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        struct scene s;
        err_t e = scene_ask(&s, tries[i].root, tries[i].sub, tries[i].moon);
        if (e != ERR_OK) print_error("# %zu: %s\n", i, s.why.text);
        CHECK_OK(e);
        CHECK(s.found.blocks != NULL);
        CHECK_STR(show(s.found.blocks), tries[i].left);
        scene_done(&s);
    }
    struct scene s;
    CHECK_OK(scene_ask(&s, NULL, NULL, NULL));
    CHECK(s.found.blocks == NULL); // nobody speaks of addresses
    scene_done(&s);
}

static void what_does_not_nest_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *root, *sub, *moon, *cert, *says;
    } tries[] = {
        {BLOCKS("IPv4:10.0.0.0/8"), BLOCKS("IPv4:10.1.0.0/16"), BLOCKS("IPv4:10.2.0.0/16"),
         "CN=moon", "RFC 3779"},
        {HINT("IPv4:10.0.0.0/8"), HINT("IPv4:10.1.0.0/16"), HINT("IPv4:10.0.0.0/15"), "CN=moon",
         "does not have"},
        {BLOCKS("IPv4:10.0.0.0/8"), BLOCKS("IPv4:11.0.0.0/16"), BLOCKS("IPv4:inherit"), "CN=Sub",
         "RFC 3779"},
        {BLOCKS("IPv4:10.0.0.0/8"), BLOCKS("IPv4:10.1.0.0/16"), BLOCKS("IPv6:fec0::/16"), "CN=moon",
         "RFC 3779"},
        // Nobody has given it any; nobody is there to inherit from.
        {NULL, NULL, BLOCKS("IPv4:10.1.0.0/16"), "CN=moon", "RFC 3779"},
        {NULL, HINT("IPv4:10.1.0.0/16"), HINT("IPv4:10.1.0.0/16"), "CN=Sub", "RFC 3779"},
        {BLOCKS("IPv4:inherit"), BLOCKS("IPv4:inherit"), BLOCKS("IPv4:inherit"), "CN=Root",
         "nobody above"},
        // Without blocks under somebody who has some: it has none.
        {BLOCKS("IPv4:10.0.0.0/8"), BLOCKS("IPv4:10.1.0.0/16"), NULL, "CN=moon",
         "has no IP address blocks"},
        {HINT("IPv4:10.0.0.0/8"), NULL, NULL, "CN=Sub", "has no IP address blocks"},
        {HINT("IPv4:10.0.0.0/8"), NULL, HINT("IPv4:10.0.0.0/8"), "CN=Sub", "RFC 3779"},
        // Neither sorted nor as few as can be: whoever wrote it is not to be guessed at.
        {BLOCKS("IPv4:10.0.0.0/8"), BLOCKS("IPv4:10.0.0.0/8"),
         "1.3.6.1.5.5.7.1.7=critical,DER:3010300e0402000130080306000a01020304", "CN=moon",
         "malformed"},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        struct scene s;
        CHECK_EQ(scene_ask(&s, tries[i].root, tries[i].sub, tries[i].moon), ERR_AUTH);
        if (!strstr(s.why.text, tries[i].cert) || !strstr(s.why.text, tries[i].says))
            fail_msg("%zu: %s", i, s.why.text);
        CHECK(s.found.blocks == NULL);
        scene_done(&s);
    }
}

// Whoever believes a certificate by itself believes its blocks, too, and holds it to them.
static void a_pinned_one_has_its_own(void **state)
{
    (void)state;
    const struct trust_terms terms = {.revocation = REVOCATION_OFF};
    struct trust *store = trust_new();
    struct trust_chain found = {0};
    struct why why = {""};
    struct mint moon = MINT(.name = "CN=moon", .ext = {HINT("IPv4:10.1.0.0/16")});
    struct mint heir = MINT(.name = "CN=heir", .ext = {HINT("IPv4:inherit")});
    CHECK_OK(trust_add_cert(store, moon.cert));
    CHECK_OK(trust_add_cert(store, heir.cert));
    CHECK_OK(trust_verify(store, &moon.cert, 1, &terms, MINT_NOW, &found, &why));
    CHECK_STR(show(found.blocks), "10.1.0.0/16");
    trust_chain_done(&found);
    CHECK_EQ(trust_verify(store, &heir.cert, 1, &terms, MINT_NOW, &found, &why), ERR_AUTH);
    mint_done(&moon);
    mint_done(&heir);
    trust_free(store);
}

// "enforce_critical = no" is about what nobody here understands.
static void critical_or_not_they_bind(void **state)
{
    (void)state;
    struct scene s;
    const struct trust_terms terms = {.revocation = REVOCATION_OFF};
    CHECK_EQ(scene_ask(&s, BLOCKS("IPv4:10.0.0.0/8"), BLOCKS("IPv4:10.1.0.0/16"),
                       BLOCKS("IPv4:10.2.0.0/16")),
             ERR_AUTH);
    struct cert *chain[] = {s.moon.cert, s.sub.cert};
    trust_set_critical(s.store, false);
    CHECK_EQ(trust_verify(s.store, chain, 2, &terms, MINT_NOW, &s.found, &s.why), ERR_AUTH);
    scene_done(&s);
}

// "addrblock.strict = no" is about who has none, and about nothing else.
static void without_any_where_that_may_be(void **state)
{
    (void)state;
    static const struct {
        const char *root, *sub, *moon;
        err_t strict, lax;
        const char *left; // NULL: any address
    } tries[] = {
        {BLOCKS("IPv4:10.0.0.0/8"), BLOCKS("IPv4:10.1.0.0/16"), NULL, ERR_AUTH, ERR_OK, NULL},
        {HINT("IPv4:10.0.0.0/8"), NULL, NULL, ERR_AUTH, ERR_OK, NULL},
        {BLOCKS("IPv4:10.0.0.0/8"), BLOCKS("IPv4:10.0.0.0/8"), BLOCKS("IPv4:10.1.0.0/16"), ERR_OK,
         ERR_OK, "10.1.0.0/16"},
        // What somebody has still has to be given.
        {BLOCKS("IPv4:10.0.0.0/8"), NULL, BLOCKS("IPv4:10.1.0.0/16"), ERR_AUTH, ERR_AUTH, NULL},
        {NULL, NULL, BLOCKS("IPv4:10.1.0.0/16"), ERR_AUTH, ERR_AUTH, NULL},
        {BLOCKS("IPv4:10.0.0.0/8"), BLOCKS("IPv4:11.0.0.0/8"), NULL, ERR_AUTH, ERR_AUTH, NULL},
        {BLOCKS("IPv4:10.0.0.0/8"), BLOCKS("IPv4:10.1.0.0/16"), BLOCKS("IPv4:10.2.0.0/16"),
         ERR_AUTH, ERR_AUTH, NULL},
        // None of a family is not the same as none.
        {BLOCKS("IPv4:10.0.0.0/8,IPv6:fec0::/16"), BLOCKS("IPv4:inherit,IPv6:inherit"),
         BLOCKS("IPv6:fec0::/32"), ERR_OK, ERR_OK, "fec0::/32"},
    };
    const struct trust_terms terms = {.revocation = REVOCATION_OFF};
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        struct scene s;
        CHECK_EQ(scene_ask(&s, tries[i].root, tries[i].sub, tries[i].moon), tries[i].strict);
        trust_chain_done(&s.found);
        struct cert *chain[] = {s.moon.cert, s.sub.cert};
        trust_set_blocks(s.store, false);
        err_t e = trust_verify(s.store, chain, 2, &terms, MINT_NOW, &s.found, &s.why);
        if (e != tries[i].lax) print_error("# %zu: %s\n", i, s.why.text);
        CHECK_EQ(e, tries[i].lax);
        CHECK((s.found.blocks != NULL) == (tries[i].left != NULL));
        if (tries[i].left) CHECK_STR(show(s.found.blocks), tries[i].left);
        scene_done(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_become_few),
        cmocka_unit_test(around_is_the_whole),
        cmocka_unit_test(what_both_have),
        cmocka_unit_test(what_a_path_leaves),
        cmocka_unit_test(what_does_not_nest_is_refused),
        cmocka_unit_test(a_pinned_one_has_its_own),
        cmocka_unit_test(critical_or_not_they_bind),
        cmocka_unit_test(without_any_where_that_may_be),
    };
    return cmocka_run_group_tests_name("cred/blocks", tests, NULL, NULL);
}
