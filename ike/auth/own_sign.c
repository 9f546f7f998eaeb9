// own_sign.c - the signature, made in another thread.
#include <stdlib.h>
#include <string.h>

#include "ike/auth/octets.h"
#include "ike/auth/own.h"
#include "ike/auth/round.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/work.h"

struct sign_work {
    struct ike_work w; // first: a pointer to it is one to the whole
    void (*then)(struct ike_sa *sa);
    struct conn *conn; // holds the key
    struct signer *key;
    uint8_t method;
    struct scheme scheme;
    struct blob octets;
    struct cert *stapled, *issuer; // an OCSP answer is wanted about the first; NULL: none is
    int64_t now_s;
    struct fetched answer;
    struct why no_answer;
    uint8_t data[1 + SCHEME_DER_MAX + SIGN_MAX]; // of the AUTH payload
    size_t len;
    err_t err;
};

static err_t write_data(struct sign_work *s)
{
    uint8_t sig[SIGN_MAX], der[SCHEME_DER_MAX];
    size_t len = sizeof sig, der_len = sizeof der;
    wr_t w = wr_into(s->data, sizeof s->data);
    TRY(signer_sign(s->key, &s->scheme, blob_span(&s->octets), sig, &len));
    struct authp_signature a = {.value = span(sig, len)};
    if (s->method == AUTH_SIGNATURE) {
        TRY(scheme_write(&s->scheme, der, &der_len));
        a.algorithm = span(der, der_len);
        authp_signature_write(&w, &a);
    } else {
        wr_bytes(&w, a.value);
    }
    TRY(wr_done(&w));
    s->len = wr_len(&w);
    return ERR_OK;
}

static void sign_run(struct ike_work *w)
{
    struct sign_work *s = (struct sign_work *)w;
    s->err = write_data(s);
    if (!s->stapled || s->err != ERR_OK) return;
    // Without it the peer finds out for itself, or not: no reason to give up.
    IGNORE(trust_staple(s->conn->conf.creds->trust, s->stapled, s->issuer, s->now_s, &s->answer,
                        &s->no_answer));
}

static void sign_done(struct ike_work *w, struct ike_sa *sa)
{
    struct sign_work *s = (struct sign_work *)w;
    struct opening *o = sa->opening;
    if (!o) return;
    struct proof *p = &o->our_proof;
    p->ready = true;
    p->method = s->method;
    p->err = s->err;
    if (p->err == ERR_OK) p->err = blob_set(&p->data, span(s->data, s->len));
    IGNORE(blob_set(&o->staple, span(s->answer.at, s->answer.len))); // it is but a help
    if (s->no_answer.text[0]) tell(sa->ike, sa, LOG_WARN, "%s", s->no_answer.text);
    if (p->err != ERR_OK) {
        IGNORE(why_not(&p->why, p->err, "our private key did not sign: %s", err_text(p->err)));
    }
    char text[SCHEME_TEXT_MAX];
    (void)why_not(&p->how, ERR_OK, "%s", scheme_show(&s->scheme, text));
    s->then(sa);
}

static void sign_free(struct ike_work *w)
{
    struct sign_work *s = (struct sign_work *)w;
    blob_done(&s->octets);
    fetched_done(&s->answer);
    conn_put(s->conn);
    wipe(s->data, sizeof s->data);
    free(s);
}

// rfc7427 3: a hash that the peer has named; without any, the methods of old.
static err_t scheme_choose(const struct ike_sa *sa, const struct cred_own *own, uint8_t *method,
                           struct scheme *out, struct why *why)
{
    const struct opening *o = sa->opening;
    const struct conf_auth_rules *rules = &round_ours(sa)->ike_rules;
    struct scheme all[SIGN_SCHEMES_MAX];
    struct why reason = {0};
    char key[PUBKEY_TEXT_MAX];
    *method = AUTH_SIGNATURE;
    unsigned n = o->peer_hashes ? signer_schemes(own->key, o->peer_hashes, all) : 0;
    // As in strongSwan, PSS is for those who ask for it: many a peer does not expect it.
    bool pss = rules->rules.pss || sa->ike->opt.rsa_pss;
    for (unsigned i = 0; i < n; i++) {
        if (!pss && all[i].kind == SCHEME_PSS) continue;
        if (rules_scheme(&rules->rules, &all[i], &reason) != ERR_OK) continue;
        *out = all[i];
        return ERR_OK;
    }
    *method = o->peer_hashes ? 0 : signer_method(own->key);
    if (*method && scheme_from_method(*method, out) == ERR_OK) return ERR_OK;
    if (reason.text[0]) return why_not(why, ERR_NOCHOICE, "we cannot sign: %.200s", reason.text);
    return why_not(why, ERR_NOCHOICE,
                   "the peer knows no way to verify a signature of our key (%s): it has named %s",
                   pubkey_show(own->pubkey, key),
                   o->peer_hashes ? "no hash that fits" : "no hashes (RFC 7427)");
}

static err_t nothing_own(const struct ike_sa *sa, struct why *why)
{
    char us[ID_TEXT_MAX];
    return why_not(why, ERR_NOTFOUND, "there is no certificate with a private key for %.150s",
                   id_show(&sa->local_id, us));
}

static err_t sign_fill(struct sign_work *s, struct ike_sa *sa, struct why *why)
{
    uint8_t body[4 + ID_MAX], between[INTAUTH_MAX];
    struct octets octets;
    wr_t w = wr_into(body, sizeof body);
    ident_write(&w, &sa->local_id);
    TRY(scheme_choose(sa, sa->opening->own, &s->method, &s->scheme, why));
    TRY(octets_of(sa, sa->initiator, wr_span(&w), between, &octets));
    return octets_copy(&octets, &s->octets);
}

err_t own_sign(struct ike_sa *sa, void (*done)(struct ike_sa *sa), struct why *why)
{
    const struct opening *o = sa->opening;
    if (o->our_proof.ready) {
        if (o->our_proof.err != ERR_OK) *why = o->our_proof.why;
        return o->our_proof.err;
    }
    if (sa->work_id) return ERR_AGAIN;
    if (!o->own) return nothing_own(sa, why);
    struct sign_work *s = calloc(1, sizeof *s);
    if (!s) return ERR_NOMEM;
    s->w = (struct ike_work){.run = sign_run, .done = sign_done, .free = sign_free};
    s->then = done;
    s->conn = conn_get(sa->conn);
    s->key = o->own->key;
    s->now_s = (int64_t)sa->ike->env.wall(sa->ike->env.ctx);
    if (own_staples(sa) && s->conn->conf.creds && s->conn->conf.creds->trust) {
        s->stapled = o->own->cert;
        s->issuer = own_issuer(o->own);
    }
    err_t err = sign_fill(s, sa, why);
    if (err != ERR_OK) {
        sign_free(&s->w);
        return err;
    }
    TRY(work_start(sa, &s->w));
    return ERR_AGAIN;
}
