// ocsp.c - the Online Certificate Status Protocol (RFC 6960, nonces RFC 9654): one certificate, one
// question. Answers may be signed by the issuer, by whom it delegated that to, or by a signer that
// the user put into x509ocsp.
#include <string.h>

#include "base/log.h"
#include "base/words.h"
#include "cred/trustx.h"

#define OCSP_NONCE_LEN 32  // rfc9654 2.1 MUST: 32 bytes at least
#define OCSP_SKEW_S 300    // that two clocks may differ
#define OCSP_FRESH_S 86400 // an answer that names no next one is not older

static err_t unknown(struct status *out, const char *reason)
{
    out->state = REVOKE_UNKNOWN;
    return why_not(&out->why, ERR_AUTH, "the OCSP answer %s", reason);
}

static err_t malformed(const struct walk *w, struct status *out)
{
    log_say(w->level, "cert", SAY_OCSP_MALFORMED);
    return unknown(out, "is malformed");
}

OCSP_CERTID *ocsp_certid(const struct walk *w, unsigned depth)
{
    // rfc6960 B.1: every responder knows certificates by SHA-1
    return OCSP_cert_to_id(EVP_sha1(), cert_x509(w->chain.cert[depth]),
                           cert_x509(w->chain.cert[depth + 1]));
}

static OCSP_REQUEST *request_new(const struct walk *w, unsigned depth, bool nonce)
{
    OCSP_REQUEST *r = OCSP_REQUEST_new();
    OCSP_CERTID *id = ocsp_certid(w, depth);
    if (r && id && OCSP_request_add0_id(r, id)) {
        if (!nonce || OCSP_request_add1_nonce(r, NULL, OCSP_NONCE_LEN)) return r;
        id = NULL; // r has it
    }
    OCSP_CERTID_free(id);
    OCSP_REQUEST_free(r);
    return NULL;
}

// ---- who signed ----

static bool answer_verify(const struct walk *w, unsigned depth, OCSP_BASICRESP *basic)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *signers = sk_X509_new_null();
    X509 *issuer = cert_x509(w->chain.cert[depth + 1]);
    bool ok =
        store && signers && X509_STORE_add_cert(store, issuer) && sk_X509_push(signers, issuer) > 0;
    for (unsigned i = 0; ok && i < w->t->signers.n; i++) {
        ok = sk_X509_push(signers, cert_x509(w->t->signers.at[i])) > 0;
    }
    if (ok) {
        X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);
        X509_VERIFY_PARAM_set_time(param, (time_t)w->now);
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
        ok = OCSP_basic_verify(basic, signers, store, OCSP_TRUSTOTHER | OCSP_PARTIAL_CHAIN) == 1;
    }
    sk_X509_free(signers);
    X509_STORE_free(store);
    return ok;
}

static bool signature_judge(const struct walk *w, unsigned depth, OCSP_BASICRESP *basic)
{
    char name[CERT_NAME_MAX] = "?";
    const ASN1_OCTET_STRING *key = NULL;
    const X509_NAME *subject = NULL;
    bool good = answer_verify(w, depth, basic);
    if (OCSP_resp_get0_id(basic, &key, &subject) && subject) tell_name(subject, name);
    if (good) log_say(w->level, "cert", SAY_OCSP_SIGNED, name);
    if (!good) log_say(w->level, "cert", SAY_OCSP_UNSIGNED, name);
    return good;
}

// rfc6960 4.2.2.2.1: who may sign answers can lose that, unless the issuer promises not to look
static bool lists_name(const struct walk *w, X509 *issuer, X509 *signer)
{
    STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
    bool named = !lists || walk_lists(w, lists) != ERR_OK;
    for (int i = 0; !named && i < sk_X509_CRL_num(lists); i++) {
        X509_CRL *crl = sk_X509_CRL_value(lists, i);
        X509_REVOKED *entry = NULL;
        named = X509_CRL_get0_by_cert(crl, &entry, signer) == 1 &&
                X509_CRL_verify(crl, X509_get0_pubkey(issuer)) == 1;
    }
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
    return named;
}

static bool signer_is_revoked(const struct walk *w, unsigned depth, OCSP_BASICRESP *basic)
{
    X509 *signer = NULL, *issuer = cert_x509(w->chain.cert[depth + 1]);
    // Not found in the answer: the issuer itself, or one that the user named.
    if (!OCSP_resp_get0_signer(basic, &signer, NULL) || X509_cmp(signer, issuer) == 0) return false;
    if (X509_get_ext_by_NID(signer, NID_id_pkix_OCSP_noCheck, -1) >= 0) return false;
    return lists_name(w, issuer, signer);
}

// ---- what it says ----

static err_t times_judge(const struct walk *w, const ASN1_GENERALIZEDTIME *from,
                         const ASN1_GENERALIZEDTIME *to, struct status *out)
{
    int64_t since, until;
    if (time_from_asn1(from, &since) != ERR_OK) return unknown(out, "has malformed times");
    until = since + OCSP_FRESH_S;
    if (to && time_from_asn1(to, &until) != ERR_OK) return unknown(out, "has malformed times");
    if (since > w->now + OCSP_SKEW_S) return unknown(out, "is from the future; are clocks right?");
    if (until < w->now - OCSP_SKEW_S) {
        tell_ocsp_stale(w, until);
        return unknown(out, "is out of date");
    }
    // However far ahead the next one is: keys that were lost are reported in between.
    if (!to || until > w->now + OCSP_FRESH_S) until = w->now + (to ? OCSP_FRESH_S : CRL_KEEP_S);
    out->until = until;
    return ERR_OK;
}

static err_t basic_judge(const struct walk *w, unsigned depth, OCSP_BASICRESP *basic,
                         struct status *out)
{
    int state, reason;
    ASN1_GENERALIZEDTIME *when = NULL, *from = NULL, *to = NULL;
    OCSP_CERTID *id = ocsp_certid(w, depth);
    int found = id && OCSP_resp_find_status(basic, id, &state, &reason, &when, &from, &to);
    OCSP_CERTID_free(id);
    if (!found) {
        log_say(w->level, "cert", SAY_OCSP_OTHER);
        return unknown(out, "is about another certificate");
    }
    TRY(times_judge(w, from, to, out));
    tell_ocsp(w, out);
    if (state == V_OCSP_CERTSTATUS_GOOD) {
        out->state = REVOKE_GOOD;
        return ERR_OK;
    }
    if (state != V_OCSP_CERTSTATUS_REVOKED) return unknown(out, "says that it does not know it");
    out->state = REVOKE_REVOKED;
    if (time_from_asn1(when, &out->since) != ERR_OK) out->since = 0;
    out->reason = reason > 0 ? (unsigned)reason : 0;
    return ERR_OK;
}

static err_t response_judge(const struct walk *w, unsigned depth, OCSP_RESPONSE *response,
                            OCSP_REQUEST *request, struct status *out)
{
    int code = OCSP_response_status(response);
    if (code != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
        return why_not(&out->why, ERR_AUTH, "the OCSP server said \"%s\"",
                       OCSP_response_status_str(code));
    }
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    if (!basic) return malformed(w, out);
    err_t e;
    // Responders that make answers ahead leave the nonce out; a wrong one is an old answer.
    bool other_nonce = request && OCSP_check_nonce(request, basic) == 0;
    if (other_nonce) log_say(w->level, "cert", SAY_OCSP_NONCE);
    if (other_nonce)
        e = unknown(out, "has another nonce than the question: it was recorded earlier");
    else if (!signature_judge(w, depth, basic))
        e = unknown(out, "is not signed by the issuer nor by whom it delegated that to");
    else if (signer_is_revoked(w, depth, basic))
        e = unknown(out, "is signed with a certificate that was revoked");
    else
        e = basic_judge(w, depth, basic, out);
    OCSP_BASICRESP_free(basic);
    return e;
}

err_t ocsp_judge(const struct walk *w, unsigned depth, span_t answer, OCSP_REQUEST *request,
                 struct status *out)
{
    const unsigned char *at = answer.at;
    OCSP_RESPONSE *response =
        answer.len <= FETCH_OCSP_MAX ? d2i_OCSP_RESPONSE(NULL, &at, (long)answer.len) : NULL;
    err_t e = response ? response_judge(w, depth, response, request, out) : malformed(w, out);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return e;
}

// ---- asking ----

// Somebody's proof waits for an answer to be sent: without one it goes on as well.
#define KEEP_TIMEOUT_MS 3000

void ocsp_ask(const struct walk *w, unsigned depth, const char *url, struct fetched *keep,
              struct status *out)
{
    // rfc4806 6: an answer that others are to believe has no nonce, which only one can check
    OCSP_REQUEST *request = request_new(w, depth, !keep);
    unsigned char *der = NULL;
    int n = request ? i2d_OCSP_REQUEST(request, &der) : 0;
    struct fetched got = {0};
    struct fetch ask = {.url = url,
                        .type = "application/ocsp-request",
                        .post = span(der, n > 0 ? (size_t)n : 0),
                        .limit = FETCH_OCSP_MAX,
                        .timeout_ms = keep ? KEEP_TIMEOUT_MS : 0};
    err_t e = ERR_NOMEM;
    log_say(w->level, "cert", SAY_OCSP_ASK, url);
    if (n > 0) e = w->t->fetcher->get(w->t->fetcher->ctx, &ask, &got, &out->why);
    if (e != ERR_OK) {
        log_say(w->level, "cert", SAY_FETCH_FAILED, out->why.text);
        log_say(w->level, "cert", SAY_OCSP_FAILED, url);
        crl_cache_fail(w->t->cache, url, w->now, &out->why);
    } else if (ocsp_judge(w, depth, span(got.at, got.len), keep ? NULL : request, out) == ERR_OK) {
        crl_cache_put_status(w->t->cache, w->chain.cert[depth], out);
        crl_cache_put_heard(w->t->cache, w->chain.cert[depth], span(got.at, got.len));
    }
    if (keep && out->state == REVOKE_GOOD) {
        *keep = got;
    } else {
        fetched_done(&got);
    }
    OPENSSL_free(der);
    OCSP_REQUEST_free(request);
    ERR_clear_error();
}

void ocsp_check(const struct walk *w, unsigned depth, struct status *out)
{
    struct uris u;
    if (w->t->no_ocsp) return;
    if (w->t->cache && crl_cache_status(w->t->cache, w->chain.cert[depth], w->now, out)) {
        log_say(w->level, "cert", SAY_OCSP_CACHED);
        return;
    }
    staple_check(w, depth, out);
    if (out->state != REVOKE_UNKNOWN || !w->t->fetcher || !w->t->cache) return;
    if (w->terms->offline) return;
    uris_of_ocsp(w, depth, &u);
    for (unsigned i = 0; i < u.n && out->state == REVOKE_UNKNOWN; i++) {
        if (crl_cache_need(w->t->cache, u.at[i], w->now, &out->why) != CRL_WAIT)
            ocsp_ask(w, depth, u.at[i], NULL, out);
    }
    if (u.n && out->state == REVOKE_UNKNOWN) log_say(w->level, "cert", SAY_OCSP_GAVE_UP);
    uris_done(&u);
}
