// staple.c - OCSP answers that travel with certificates (RFC 4806): what a peer has sent along, and
// what we send. Such answers carry no nonce, so an old one is good until it says itself that it is
// not; what was fetched, and lists at hand, stand above it.
#include "base/log.h"
#include "base/words.h"
#include "cred/trustx.h"

#define STAPLE_MAX 8192 // bytes: an answer with its signer's certificate has 2,000

// ---- the peer's --------------------------------------------------------------------------------

static void tell_issuer(const struct walk *w, OCSP_BASICRESP *basic)
{
    char name[CERT_NAME_MAX] = "?";
    const ASN1_OCTET_STRING *key = NULL;
    const X509_NAME *subject = NULL;
    if (OCSP_resp_get0_id(basic, &key, &subject) && subject) tell_name(subject, name);
    log_say(w->level, "cert", SAY_OCSP_HEARD, name);
}

// rfc4806 3.2: which certificate it is about is what its CertID says.
static bool is_about(const struct walk *w, unsigned depth, span_t answer)
{
    const unsigned char *at = answer.at;
    OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &at, (long)answer.len);
    OCSP_BASICRESP *basic = r ? OCSP_response_get1_basic(r) : NULL;
    OCSP_CERTID *id = ocsp_certid(w, depth);
    bool yes = basic && id && OCSP_resp_find(basic, id, -1) >= 0;
    if (yes) tell_issuer(w, basic);
    OCSP_CERTID_free(id);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(r);
    ERR_clear_error();
    return yes;
}

void staple_check(const struct walk *w, unsigned depth, struct status *out)
{
    const struct trust_terms *terms = w->terms;
    for (unsigned i = 0; i < terms->n_answers && i < TRUST_ANSWERS_MAX; i++) {
        if (terms->answers[i].len > FETCH_OCSP_MAX || !is_about(w, depth, terms->answers[i]))
            continue;
        if (ocsp_judge(w, depth, terms->answers[i], NULL, out) != ERR_OK) continue;
        out->sent = true;
        return;
    }
}

// ---- ours --------------------------------------------------------------------------------------

static err_t answer_get(const struct walk *w, struct fetched *out, struct why *why)
{
    struct status s = {0};
    struct uris u;
    char name[CERT_NAME_MAX];
    uris_of_ocsp(w, 0, &u);
    bool any = u.n > 0;
    for (unsigned i = 0; i < u.n && s.state == REVOKE_UNKNOWN; i++) {
        if (crl_cache_need(w->t->cache, u.at[i], w->now, &s.why) != CRL_WAIT)
            ocsp_ask(w, 0, u.at[i], out, &s);
    }
    uris_done(&u);
    cert_name(w->chain.cert[0], name);
    if (s.state == REVOKE_GOOD && out->len <= STAPLE_MAX) {
        log_say(w->level, "cert", SAY_STATUS_GOOD);
        return crl_cache_put_answer(w->t->cache, w->chain.cert[0], s.until, out);
    }
    fetched_done(out);
    *out = (struct fetched){0};
    if (s.state == REVOKE_REVOKED) {
        return why_not(why, ERR_AUTH, "our certificate \"%s\" was revoked by its issuer", name);
    }
    return why_not(why, ERR_NOTFOUND,
                   "there is no OCSP answer for our certificate \"%.100s\": %.160s", name,
                   s.why.text[0] ? s.why.text
                   : any         ? "it is too long to be sent"
                                 : "neither it nor `authorities` name a server (ocsp_uris)");
}

err_t trust_staple(const struct trust *t, struct cert *cert, struct cert *issuer, int64_t now,
                   struct fetched *out, struct why *why)
{
    const struct trust_terms terms = {.revocation = REVOCATION_STRICT};
    struct walk w = {.t = t,
                     .terms = &terms,
                     .now = now,
                     .level = LOG_STORY,
                     .peer = &cert,
                     .n_peer = 1,
                     .chain = {.n = 2, .cert = {cert, issuer}}};
    *out = (struct fetched){0};
    if (!t->fetcher || !t->cache || t->no_ocsp)
        return why_not(why, ERR_UNSUPPORTED, "OCSP servers are not asked here");
    if (crl_cache_answer(t->cache, cert, now, out)) return ERR_OK;
    return answer_get(&w, out, why);
}
