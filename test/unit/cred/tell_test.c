// Why a certificate's status is what it is, in the log.
#include "test/unit/cred/heard.h"
#include "test/unit/cred/world.h"

// strongSwan's sentences, which people's scripts wait for.
static void what_is_found_is_told(void **state)
{
    (void)state;
    struct world *w = world_new(ASK_AT, POINT);
    at_hand(w, MINT_CRL(.by = &w->root));
    serve(w, "http://ocsp.example.org/", NULL)->error = ERR_TIMEOUT;
    struct page *p = serve(w, "http://crl.example.org/sub.crl", MINT_CRL(.by = &w->sub));
    p->error = ERR_TIMEOUT;
    heard_begin();
    CHECK_EQ(ask(w, REVOCATION_STRICT), ERR_AUTH);
    heard("ocsp request to http://ocsp.example.org/ failed\nocsp check failed, fallback to crl\n");
    heard("crl fetching failed\n");
    heard("certificate status is not available\n");
    heard("RULE_CRL_VALIDATION is FAILED, but requires at least GOOD");
    at_hand(w, MINT_CRL(.by = &w->sub, .to = MINT_NOW - 60));
    heard_begin();
    CHECK_EQ(ask(w, REVOCATION_STRICT), ERR_AUTH);
    heard("crl is stale: since ");
    heard("certificate status is unknown, crl is stale\n");
    heard("RULE_CRL_VALIDATION is STALE, but requires at least GOOD");
    world_done(w);

    w = ocsp_world();
    w->replay = true;
    heard_begin();
    CHECK_OK(ask(w, REVOCATION_RELAXED));
    heard("nonce in ocsp response doesn't match");
    w->replay = false;
    w->from = MINT_NOW - 3 * DAY;
    w->to = MINT_NOW - 2 * DAY;
    CHECK_OK(ask(w, REVOCATION_RELAXED));
    heard("ocsp response is stale: since ");
    w->from = MINT_NOW - 60;
    w->to = MINT_NOW + DAY;
    heard_begin();
    CHECK_OK(ask(w, REVOCATION_STRICT));
    not_heard("using cached ocsp response");
    CHECK_OK(ask(w, REVOCATION_STRICT));
    heard("using cached ocsp response");
    world_done(w);

    w = world_new(POINT, NULL);
    struct mint liar = MINT(.name = "CN=Sub", .ext = {MINT_CA});
    serve(w, "http://crl.example.org/sub.crl", MINT_CRL(.by = &liar));
    heard_begin();
    CHECK_OK(ask(w, REVOCATION_RELAXED));
    heard("crl response verification failed");
    world_done(w);
    mint_done(&liar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_found_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
