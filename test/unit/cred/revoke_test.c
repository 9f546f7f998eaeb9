// Revocation: lists at hand, lists and answers that a made-up network serves.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cred/crl.h"
#include "cred/trust.h"
#include "cred/trustx.h"
#include "test/check.h"
#include "test/unit/cred/world.h"

static void says(const struct why *why, const char *word)
{
    if (!strstr(why->text, word)) print_error("%s\n", why->text);
    CHECK(strstr(why->text, word) != NULL);
}

static err_t told(struct world *w, enum revocation rule)
{
    err_t e = ask(w, rule);
    const char *text = e == ERR_OK ? w->found.note.text : w->why.text;
    if (*text) print_message("# %s\n", text);
    return e;
}

// All three rules give the verdicts that are asked for.
static void verdicts(struct world *w, bool relaxed, bool ifuri, bool strict, const char *word)
{
    CHECK_EQ(told(w, REVOCATION_RELAXED), relaxed ? ERR_OK : ERR_AUTH);
    if (relaxed && !strict)
        says(&w->found.note, word);
    else if (!relaxed)
        says(&w->why, word);
    CHECK_EQ(told(w, REVOCATION_IFURI), ifuri ? ERR_OK : ERR_AUTH);
    if (!ifuri) says(&w->why, word);
    CHECK_EQ(told(w, REVOCATION_STRICT), strict ? ERR_OK : ERR_AUTH);
    if (!strict) says(&w->why, word);
    CHECK_OK(ask(w, REVOCATION_OFF));
    CHECK_STR(w->found.note.text, "");
}

// ---- lists at hand ----

static void lists_from_files_are_heeded(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, NULL);
    verdicts(w, true, true, false, "no CRL that covers it");
    at_hand(w, MINT_CRL(.by = &w->root));
    verdicts(w, true, true, false, "CN=moon"); // the other one is known now
    at_hand(w, MINT_CRL(.by = &w->sub, .to = MINT_NOW + 2 * DAY));
    verdicts(w, true, true, true, "");
    CHECK_STR(w->found.note.text, "");
    CHECK_OK(ask(w, REVOCATION_STRICT));
    CHECK_EQ(w->found.good_until, MINT_NOW + 2 * DAY);
    at_hand(w, MINT_CRL(.by = &w->root, .from = MINT_NOW - 60, .revoked = {&w->sub}));
    verdicts(w, false, false, false, "\"CN=Sub\" was revoked by its issuer on 2026-09-20");
    world_done(w);
}

static void lists_that_do_not_count(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, NULL);
    struct mint liar = MINT(.name = "CN=Sub", .ext = {MINT_CA});
    at_hand(w, MINT_CRL(.by = &w->root));
    at_hand(w, MINT_CRL(.by = &w->sub, .to = MINT_NOW - 1));
    verdicts(w, true, true, false, "out of date");
    world_done(w);
    // Out of date or not, it was revoked.
    w = world_new(NULL, NULL);
    at_hand(w, MINT_CRL(.by = &w->root));
    at_hand(w, MINT_CRL(.by = &w->sub, .to = MINT_NOW - 1, .revoked = {&w->moon}));
    verdicts(w, false, false, false, "\"CN=moon\" was revoked");
    world_done(w);
    // Signed by somebody of the same name: as if it were not there.
    w = world_new(NULL, NULL);
    at_hand(w, MINT_CRL(.by = &w->root));
    at_hand(w, MINT_CRL(.by = &liar, .revoked = {&w->moon}));
    verdicts(w, true, true, false, "no CRL that covers it");
    world_done(w);
    w = world_new(NULL, NULL);
    CHECK_EQ(trust_add_crl(w->store, span_str("moon"), &w->why), ERR_SYNTAX);
    world_done(w);
    mint_done(&liar);
}

// ---- lists that are fetched ----

// ctx: the bytes that every list must have.
static void same_list(void *ctx, span_t der)
{
    const span_t *want = ctx;
    CHECK(span_eq(der, *want));
    CHECK(want->len > 0);
}

static unsigned lists_seen;

static void count_list(void *ctx, span_t der)
{
    (void)ctx, (void)der;
    lists_seen++;
}

static void lists_are_fetched_and_kept(void **state)
{
    (void)state;
    struct world *w = world_new(POINT, NULL);
    at_hand(w, MINT_CRL(.by = &w->root));
    struct page *p = serve(w, "http://crl.example.org/sub.crl", MINT_CRL(.by = &w->sub));
    verdicts(w, true, true, true, "");
    CHECK_EQ(p->asked, 1);
    CHECK_EQ(crl_cache_count(w->cache), 1);
    span_t served = p->bytes;
    crl_cache_each(w->cache, served.len, same_list, &served);
    crl_cache_each(w->cache, served.len, count_list, NULL);
    CHECK_EQ(lists_seen, 1);
    crl_cache_each(w->cache, served.len - 1, count_list, NULL); // longer than what is asked for
    crl_file_der(served, served.len, same_list, &served);
    CHECK_EQ(lists_seen, 1);
    // A week later it is asked for anew; there it is revoked.
    X509_CRL *next = MINT_CRL(.by = &w->sub, .from = MINT_NOW + 7 * DAY, .to = MINT_NOW + 14 * DAY,
                              .revoked = {&w->moon});
    p->bytes = mint_crl_der(next);
    X509_CRL_free(next);
    CHECK_OK(ask(w, REVOCATION_IFURI));
    CHECK_EQ(p->asked, 1);
    w->now = MINT_NOW + 7 * DAY + 1;
    CHECK_EQ(ask(w, REVOCATION_RELAXED), ERR_AUTH);
    CHECK_EQ(p->asked, 2);
    crl_cache_flush(w->cache);
    CHECK_EQ(crl_cache_count(w->cache), 0);
    world_done(w);
}

static void servers_that_are_down(void **state)
{
    (void)state;
    struct world *w = world_new(POINT, NULL);
    at_hand(w, MINT_CRL(.by = &w->root));
    struct page *p = serve(w, "http://crl.example.org/sub.crl", MINT_CRL(.by = &w->sub));
    p->error = ERR_TIMEOUT;
    verdicts(w, true, false, false, "http://crl.example.org/sub.crl failed");
    CHECK_EQ(p->asked, 1); // not again at once
    w->now += CRL_RETRY_S;
    p->error = ERR_OK;
    verdicts(w, true, true, true, "");
    CHECK_EQ(p->asked, 2);
    world_done(w);
}

// The user's URLs come first, and one list of a place is enough.
static void authorities_name_places(void **state)
{
    (void)state;
    struct world *w = world_new(POINT, NULL);
    at_hand(w, MINT_CRL(.by = &w->root));
    struct page *own = serve(w, "http://crl.example.org/sub.crl", MINT_CRL(.by = &w->sub));
    struct page *mine = serve(w, "http://mine.example.org/sub.crl", MINT_CRL(.by = &w->sub));
    CHECK_OK(trust_add_crl_uri(w->store, w->sub.cert, "http://down.example.org/sub.crl"));
    CHECK_OK(trust_add_crl_uri(w->store, w->sub.cert, "http://mine.example.org/sub.crl"));
    CHECK_OK(ask(w, REVOCATION_STRICT));
    CHECK_EQ(mine->asked, 1);
    CHECK_EQ(own->asked, 0);
    world_done(w);
    // Without one in the certificate, it is a URL all the same.
    w = world_new(NULL, NULL);
    at_hand(w, MINT_CRL(.by = &w->root));
    CHECK_OK(trust_add_crl_uri(w->store, w->sub.cert, "http://down.example.org/sub.crl"));
    CHECK_EQ(ask(w, REVOCATION_IFURI), ERR_AUTH);
    world_done(w);
}

// Who can answer in the server's place must not hide what a file says.
static void forged_lists_do_not_count(void **state)
{
    (void)state;
    struct world *w = world_new(POINT, NULL);
    struct mint liar = MINT(.name = "CN=Sub", .ext = {MINT_CA});
    at_hand(w, MINT_CRL(.by = &w->root));
    at_hand(w, MINT_CRL(.by = &w->sub, .to = MINT_NOW - 60, .revoked = {&w->moon}));
    serve(w, "http://crl.example.org/sub.crl", MINT_CRL(.by = &liar));
    verdicts(w, false, false, false, "was revoked");
    world_done(w);
    w = world_new(POINT, NULL);
    at_hand(w, MINT_CRL(.by = &w->root));
    serve(w, "http://crl.example.org/sub.crl", MINT_CRL(.by = &liar));
    verdicts(w, true, false, false, "signed by nobody we know");
    CHECK_EQ(crl_cache_count(w->cache), 0);
    world_done(w);
    w = world_new(POINT, NULL);
    at_hand(w, MINT_CRL(.by = &w->root));
    struct page *p = serve(w, "http://crl.example.org/sub.crl", MINT_CRL(.by = &w->sub));
    p->bytes = span_str("<html>Not here</html>");
    verdicts(w, true, false, false, "no CRL");
    world_done(w);
    mint_done(&liar);
}

// What was fetched for one connection says nothing to another one whose authority only has the name
// of the first one's.
static void authorities_of_one_name_do_not_mix(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, NULL);
    struct mint other = MINT(.name = "CN=Sub", .ext = {MINT_CA});
    X509_CRL *newer = MINT_CRL(.by = &other, .from = MINT_NOW - 60);
    at_hand(w, MINT_CRL(.by = &w->root));
    at_hand(w, MINT_CRL(.by = &w->sub, .revoked = {&w->moon}));
    CHECK_OK(crl_cache_put(w->cache, "http://crl.example.org/other", newer, 100, MINT_NOW));
    verdicts(w, false, false, false, "was revoked");
    CHECK_OK(trust_add_crl(w->store, mint_crl_der(newer), &w->why)); // nor do files
    verdicts(w, false, false, false, "was revoked");
    X509_CRL_free(newer);
    mint_done(&other);
    world_done(w);
}

static void deltas_are_added_to_bases(void **state)
{
    (void)state;
    static const char *const where[] = {
        "freshestCRL=URI:http://crl.example.org/delta.crl", // in the certificate
        NULL,                                               // or in the base
    };
    for (unsigned i = 0; i < 2; i++) {
        struct world *w = world_new(POINT, where[i]);
        at_hand(w, MINT_CRL(.by = &w->root));
        struct page *base =
            serve(w, "http://crl.example.org/sub.crl",
                  MINT_CRL(.by = &w->sub, .number = 1,
                           .ext = {i ? "freshestCRL=URI:http://crl.example.org/delta.crl" : NULL}));
        struct page *delta = serve(w, "http://crl.example.org/delta.crl",
                                   MINT_CRL(.by = &w->sub, .number = 2, .base = 1));
        CHECK_OK(ask(w, REVOCATION_STRICT));
        CHECK_EQ(base->asked, 1);
        CHECK_EQ(delta->asked, 1);
        crl_cache_flush(w->cache);
        X509_CRL *later = MINT_CRL(.by = &w->sub, .number = 3, .base = 1, .revoked = {&w->moon});
        delta->bytes = mint_crl_der(later);
        X509_CRL_free(later);
        verdicts(w, false, false, false, "was revoked");
        // Without the delta, the base is good.
        crl_cache_flush(w->cache);
        delta->error = ERR_TIMEOUT;
        CHECK_OK(ask(w, REVOCATION_STRICT));
        world_done(w);
    }
}

// A CA may have another key for CRLs, and points that are about some certificates only.
static void other_signers_and_scopes(void **state)
{
    (void)state;
    struct world *w = world_new(POINT, NULL);
    struct mint lister = MINT(.name = "CN=Sub", .by = &w->root,
                              .ext = {"keyUsage=critical,cRLSign", "basicConstraints=CA:TRUE",
                                      "subjectKeyIdentifier=hash"});
    at_hand(w, MINT_CRL(.by = &w->root));
    serve(w, "http://crl.example.org/sub.crl",
          MINT_CRL(.by = &lister, .ext = {"authorityKeyIdentifier=keyid:always"}));
    CHECK_EQ(ask(w, REVOCATION_STRICT), ERR_AUTH);
    CHECK_OK(trust_add_ca(w->store, lister.cert, &w->why));
    w->now += CRL_RETRY_S;
    verdicts(w, true, true, true, "");
    mint_done(&lister);
    world_done(w);
    w = world_new(POINT, NULL);
    at_hand(w, MINT_CRL(.by = &w->root));
    serve(w, "http://crl.example.org/sub.crl",
          MINT_CRL(.by = &w->sub, .ext = {"issuingDistributionPoint=critical,onlyCA:TRUE"}));
    verdicts(w, true, false, false, "other certificates");
    world_done(w);
    w = world_new(POINT, NULL);
    at_hand(w, MINT_CRL(.by = &w->root));
    serve(w, "http://crl.example.org/sub.crl",
          MINT_CRL(.by = &w->sub, .ext = {"issuingDistributionPoint=critical,fullname:URI:http://"
                                          "crl.example.org/sub.crl,onlyuser:TRUE"}));
    verdicts(w, true, true, true, "");
    world_done(w);
}

// ---- OCSP ----

static void responders_are_asked(void **state)
{
    (void)state;
    struct world *w = ocsp_world();
    verdicts(w, true, true, true, ""); // a delegated signer
    CHECK_EQ(w->page[0].asked, 1);
    w->answer = ANSWER_REVOKED;
    CHECK_OK(ask(w, REVOCATION_STRICT)); // what was said holds for a day
    w->now += DAY + 1;
    w->from = w->now;
    w->to = 0;
    verdicts(w, false, false, false, "\"CN=moon\" was revoked");
    CHECK_EQ(w->page[0].asked, 2);
    world_done(w);
    w = ocsp_world();
    w->signer = &w->sub; // the issuer itself
    w->no_nonce = true;
    CHECK_OK(ask(w, REVOCATION_STRICT));
    world_done(w);
    // The user's own responder is believed as it is.
    w = ocsp_world();
    struct mint own = MINT(.name = "CN=own");
    w->signer = &own;
    verdicts(w, true, false, false, "not signed by the issuer");
    CHECK_OK(trust_add_ocsp_signer(w->store, own.cert));
    CHECK_OK(ask(w, REVOCATION_STRICT));
    mint_done(&own);
    world_done(w);
}

static void answers_that_do_not_count(void **state)
{
    (void)state;
    struct world *w = ocsp_world();
    struct mint stranger = MINT(.name = "CN=stranger", .ext = {"extendedKeyUsage=OCSPSigning"});
    struct mint plain = MINT(.name = "CN=plain", .by = &w->sub);
    struct mint late = MINT(.name = "CN=late", .by = &w->sub, .to = MINT_NOW - 1,
                            .ext = {"extendedKeyUsage=OCSPSigning"});
    w->replay = true;
    verdicts(w, true, false, false, "another nonce");
    w->replay = false;
    w->answer = ANSWER_UNKNOWN;
    verdicts(w, true, false, false, "does not know it");
    w->answer = ANSWER_REFUSED;
    verdicts(w, true, false, false, "trylater");
    w->answer = ANSWER_REVOKED; // said by who may not say it: not even relaxed believes it
    const struct mint *bad[] = {&stranger, &plain, &late};
    for (unsigned i = 0; i < 3; i++) {
        w->signer = bad[i];
        verdicts(w, true, false, false, "not signed by the issuer");
    }
    w->signer = &w->responder;
    w->answer = ANSWER_GOOD;
    w->from = MINT_NOW - 3 * DAY;
    w->to = MINT_NOW - 2 * DAY;
    verdicts(w, true, false, false, "out of date");
    w->to = 0;
    verdicts(w, true, false, false, "out of date");
    w->from = MINT_NOW + DAY;
    verdicts(w, true, false, false, "future");
    mint_done(&late);
    mint_done(&plain);
    mint_done(&stranger);
    world_done(w);
}

static void signers_lose_their_office(void **state)
{
    (void)state;
    struct world *w = ocsp_world();
    struct mint mortal =
        MINT(.name = "CN=mortal", .by = &w->sub, .ext = {"extendedKeyUsage=OCSPSigning"});
    struct mint liar = MINT(.name = "CN=Sub", .ext = {MINT_CA});
    at_hand(w, MINT_CRL(.by = &liar, .revoked = {&mortal})); // nobody's business
    w->signer = &mortal;
    CHECK_OK(ask(w, REVOCATION_STRICT));
    crl_cache_flush(w->cache);
    at_hand(w, MINT_CRL(.by = &w->sub, .from = MINT_NOW - 3 * DAY, .to = MINT_NOW - 2 * DAY,
                        .revoked = {&w->responder, &mortal}));
    verdicts(w, true, false, false, "certificate that was revoked");
    w->signer = &w->responder; // which is never looked after: noCheck
    CHECK_OK(ask(w, REVOCATION_STRICT));
    mint_done(&liar);
    mint_done(&mortal);
    world_done(w);
}

static void verdicts_are_kept_for_a_day_at_most(void **state)
{
    (void)state;
    struct world *w = ocsp_world();
    w->to = MINT_NOW + 300 * DAY;
    CHECK_OK(ask(w, REVOCATION_STRICT));
    CHECK_EQ(w->found.good_until, MINT_NOW + DAY);
    w->now += DAY;
    CHECK_OK(ask(w, REVOCATION_STRICT));
    CHECK_EQ(w->page[0].asked, 1);
    w->now++;
    CHECK_OK(ask(w, REVOCATION_STRICT));
    CHECK_EQ(w->page[0].asked, 2);
    world_done(w);
}

// OCSP failing, the lists are asked.
static void lists_stand_in_for_responders(void **state)
{
    (void)state;
    struct world *w = world_new(ASK_AT, POINT);
    at_hand(w, MINT_CRL(.by = &w->root));
    serve(w, "http://ocsp.example.org/", NULL)->error = ERR_TIMEOUT;
    struct page *p = serve(w, "http://crl.example.org/sub.crl", MINT_CRL(.by = &w->sub));
    verdicts(w, true, true, true, "");
    CHECK_EQ(p->asked, 1);
    CHECK_EQ(w->page[0].asked, 1);
    world_done(w);
}

static void nothing_is_fetched_for_strangers(void **state)
{
    (void)state;
    struct world *w = world_new(ASK_AT, POINT);
    struct page *o = serve(w, "http://ocsp.example.org/", NULL);
    struct page *p = serve(w, "http://crl.example.org/sub.crl", MINT_CRL(.by = &w->sub));
    struct trust *empty = trust_new();
    struct cert *chain[] = {w->moon.cert, w->sub.cert};
    trust_set_fetching(empty, &w->fetcher, w->cache);
    CHECK_EQ(trust_verify(empty, chain, 2, &w->terms, w->now, NULL, &w->why), ERR_AUTH);
    CHECK_EQ(o->asked + p->asked, 0);
    trust_free(empty);
    world_done(w);
}

// ---- answers that travel with certificates (RFC 4806) ----

static struct fetched answer_about(struct world *w, const struct mint *of, const struct mint *by)
{
    OCSP_REQUEST *r = OCSP_REQUEST_new();
    unsigned char *der = NULL;
    CHECK(OCSP_request_add0_id(r, OCSP_cert_to_id(EVP_sha1(), of->x, by->x)) != NULL);
    int n = i2d_OCSP_REQUEST(r, &der);
    w->ahead = true;
    struct fetched out = ocsp_answer(w, span(der, (size_t)n));
    OPENSSL_free(der);
    OCSP_REQUEST_free(r);
    return out;
}

// What each rule says of moon when this comes along, and that nobody else is asked.
static void sent(struct world *w, struct fetched answer, bool relaxed, bool strict,
                 const char *word)
{
    const span_t bytes[] = {span_str("rubbish"), span(answer.at, answer.len)};
    w->terms.answers = bytes;
    w->terms.n_answers = 2;
    verdicts(w, relaxed, relaxed, strict, word); // nobody can be asked
    for (unsigned i = 0; i < w->n_pages; i++) CHECK_EQ(w->page[i].asked, 0);
    w->terms.n_answers = 0;
    fetched_done(&answer);
}

static void root_is_good(struct world *w)
{
    at_hand(w, MINT_CRL(.by = &w->root)); // sub's status, from a list
}

static void answers_come_along(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, NULL);
    root_is_good(w);
    verdicts(w, true, true, false, "there is no CRL");
    sent(w, answer_about(w, &w->moon, &w->sub), true, true, "");
    w->answer = ANSWER_REVOKED;
    sent(w, answer_about(w, &w->moon, &w->sub), false, false, "was revoked");
    w->answer = ANSWER_GOOD;
    // About another, signed by nobody, out of date: as if there were none.
    struct mint other = MINT(.name = "CN=other", .by = &w->sub), liar = MINT(.name = "CN=liar");
    w->terms.revocation = REVOCATION_STRICT;
    sent(w, answer_about(w, &other, &w->sub), true, false, "");
    w->signer = &liar;
    sent(w, answer_about(w, &w->moon, &w->sub), true, false, "not signed by the issuer");
    w->signer = &w->responder;
    w->from = MINT_NOW - 3 * DAY;
    w->to = MINT_NOW - DAY;
    sent(w, answer_about(w, &w->moon, &w->sub), true, false, "out of date");
    mint_done(&other);
    mint_done(&liar);
    world_done(w);
}

// The peer shows what it likes; what is known otherwise stands above that.
static void answers_that_come_along_are_not_the_last_word(void **state)
{
    (void)state;
    struct world *w = world_new("authorityInfoAccess=OCSP;URI:http://ocsp.example.org/", NULL);
    serve(w, "http://ocsp.example.org/", NULL);
    root_is_good(w);
    struct fetched good = answer_about(w, &w->moon, &w->sub);
    w->ahead = false;
    w->answer = ANSWER_REVOKED;
    verdicts(w, false, false, false, "was revoked"); // asked for, and kept
    w->page[0].asked = 0;
    sent(w, good, false, false, "was revoked");
    world_done(w);
    w = world_new(NULL, NULL);
    root_is_good(w);
    at_hand(w, MINT_CRL(.by = &w->sub, .revoked = {&w->moon}));
    sent(w, answer_about(w, &w->moon, &w->sub), false, false, "was revoked");
    world_done(w);
    // Where OCSP is switched off it says nothing either.
    w = world_new(NULL, NULL);
    root_is_good(w);
    trust_set_checks(w->store, false, true);
    sent(w, answer_about(w, &w->moon, &w->sub), true, false, "there is no CRL");
    CHECK(!trust_asks_ocsp(w->store));
    world_done(w);
}

static err_t staple(struct world *w, struct fetched *out)
{
    w->why.text[0] = 0;
    return trust_staple(w->store, w->moon.cert, w->sub.cert, w->now, out, &w->why);
}

static void our_own_answer_is_fetched_and_kept(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, NULL);
    struct fetched a, b;
    CHECK_EQ(staple(w, &a), ERR_NOTFOUND);
    says(&w->why, "ocsp_uris");
    CHECK_OK(trust_add_ocsp_uri(w->store, w->sub.cert, "http://ocsp.example.org/"));
    struct page *p = serve(w, "http://ocsp.example.org/", NULL);
    w->ahead = true;
    CHECK_OK(staple(w, &a));
    CHECK_OK(staple(w, &b));
    CHECK_EQ(p->asked, 1);
    CHECK(span_eq(span(a.at, a.len), span(b.at, b.len)));
    fetched_done(&a);
    fetched_done(&b);
    w->now += DAY + 1;
    w->from = w->now;
    w->to = 0;
    w->answer = ANSWER_REVOKED;
    CHECK_EQ(staple(w, &a), ERR_AUTH); // an older one is not handed on
    says(&w->why, "was revoked");
    CHECK_EQ(p->asked, 2);
    w->now += DAY + 1;
    p->error = ERR_TIMEOUT;
    CHECK_EQ(staple(w, &a), ERR_NOTFOUND);
    CHECK_EQ(staple(w, &a), ERR_NOTFOUND); // a dead server is left alone for a while
    CHECK_EQ(p->asked, 3);
    trust_set_checks(w->store, false, true);
    CHECK_EQ(staple(w, &a), ERR_UNSUPPORTED);
    world_done(w);
}

static void *ask_often(void *ctx)
{
    struct world *w = ctx;
    struct cert *chain[] = {w->moon.cert, w->sub.cert};
    struct trust_terms terms = {.revocation = REVOCATION_STRICT};
    for (unsigned i = 0; i < 20; i++) {
        struct trust_chain found = {0};
        struct why why = {""};
        if (trust_verify(w->store, chain, 2, &terms, MINT_NOW, &found, &why) != ERR_OK) {
            print_error("%s\n", why.text);
            return w;
        }
        trust_chain_done(&found);
    }
    return NULL;
}

// With threads and sanitizers this shows that any thread may ask.
static void many_threads_ask(void **state)
{
    (void)state;
    struct world *w = world_new(POINT, NULL);
    pthread_t thread[4];
    at_hand(w, MINT_CRL(.by = &w->root));
    serve(w, "http://crl.example.org/sub.crl", MINT_CRL(.by = &w->sub));
    for (unsigned i = 0; i < 4; i++) CHECK_EQ(pthread_create(&thread[i], NULL, ask_often, w), 0);
    for (unsigned i = 0; i < 4; i++) {
        void *failed;
        CHECK_EQ(pthread_join(thread[i], &failed), 0);
        CHECK(!failed);
    }
    world_done(w);
}

static void the_cache_has_an_end(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, NULL);
    X509_CRL *crl = MINT_CRL(.by = &w->sub);
    char url[64];
    for (unsigned i = 0; i < CRL_CACHE_MAX + 5; i++) {
        (void)snprintf(url, sizeof url, "http://crl.example.org/%u", i);
        CHECK_OK(crl_cache_put(w->cache, url, crl, 100, MINT_NOW));
    }
    CHECK_EQ(crl_cache_count(w->cache), CRL_CACHE_MAX);
    CHECK_EQ(crl_cache_need(w->cache, "http://crl.example.org/0", MINT_NOW, &w->why), CRL_FETCH);
    CHECK_EQ(crl_cache_need(w->cache, url, MINT_NOW, &w->why), CRL_FRESH);
    CHECK_OK(crl_cache_put(w->cache, url, crl, CRL_CACHE_BYTES_MAX, MINT_NOW));
    CHECK_EQ(crl_cache_count(w->cache), 1);
    X509_CRL_free(crl);
    world_done(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_from_files_are_heeded),
        cmocka_unit_test(lists_that_do_not_count),
        cmocka_unit_test(lists_are_fetched_and_kept),
        cmocka_unit_test(servers_that_are_down),
        cmocka_unit_test(authorities_name_places),
        cmocka_unit_test(forged_lists_do_not_count),
        cmocka_unit_test(authorities_of_one_name_do_not_mix),
        cmocka_unit_test(deltas_are_added_to_bases),
        cmocka_unit_test(other_signers_and_scopes),
        cmocka_unit_test(responders_are_asked),
        cmocka_unit_test(answers_that_do_not_count),
        cmocka_unit_test(signers_lose_their_office),
        cmocka_unit_test(verdicts_are_kept_for_a_day_at_most),
        cmocka_unit_test(lists_stand_in_for_responders),
        cmocka_unit_test(nothing_is_fetched_for_strangers),
        cmocka_unit_test(answers_come_along),
        cmocka_unit_test(answers_that_come_along_are_not_the_last_word),
        cmocka_unit_test(our_own_answer_is_fetched_and_kept),
        cmocka_unit_test(many_threads_ask),
        cmocka_unit_test(the_cache_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
