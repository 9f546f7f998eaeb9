// prove.c - AUTH recomputed (RFC 7296 2.15), where SK_pi and SK_pr are known: by a shared secret,
// or against the public key of the certificate that came with it.
#include <stdlib.h>
#include <string.h>

#include "cred/cert.h"
#include "see/talk.h"

#define INTAUTH_LEN_MAX (2 * PRF_MAX + 4)

static void proved(struct hearing *h, const char *how)
{
    note_set(&h->note, "auth", "right");
    note_fault(&h->note, G_NOTE, "RFC 7296 2.15", NULL, "AUTH is right: %s", how);
}

static void disproved(struct hearing *h, const char *what)
{
    note_set(&h->note, "auth", "wrong");
    note_fault(&h->note, G_ERROR, "RFC 7296 2.15", "compare secrets, or keys and certificates",
               "AUTH is wrong: %s", what);
}

static void unproved(struct hearing *h, const char *why)
{
    note_set(&h->note, "auth", "unknown");
    note_fault(&h->note, G_NOTE, "RFC 7296 2.15", NULL, "AUTH cannot be recomputed: %s", why);
}

static void prove_psk(struct hearing *h, const struct key_auth *k, const struct authp *a,
                      const struct octets *o)
{
    const struct see_options *opt = &h->see->o;
    uint8_t mac[PRF_MAX];
    if (opt->psk_n == 0) return unproved(h, "no shared secret was given");
    for (unsigned i = 0; i < opt->psk_n; i++) {
        if (auth_psk(k->prf, opt->psk[i], o, mac) != ERR_OK) continue;
        if (span_eq(span(mac, prf_len(k->prf)), a->data)) return proved(h, "made with the secret");
    }
    disproved(h, "made with none of the secrets that were given");
}

static err_t signature_check(const struct authp *a, span_t der, span_t signed_octets)
{
    struct authp_signature s = {.value = a->data};
    struct scheme scheme;
    struct cert *cert = NULL;
    struct why why = {{0}};
    if (a->method == AUTH_SIGNATURE) {
        TRY(authp_signature_read(a->data, &s));
        TRY(scheme_read(s.algorithm, &scheme));
    } else {
        TRY(scheme_from_method(a->method, &scheme));
    }
    TRY(cert_read(der, &cert, &why));
    err_t err = pubkey_verify(cert_pubkey(cert), &scheme, signed_octets, s.value);
    cert_free(cert);
    return err;
}

static void prove_signature(struct hearing *h, const struct authp *a, const struct octets *o)
{
    const struct blob *cert = &h->talk->cert[h->side];
    size_t n = 0;
    if (!cert->len) return unproved(h, "its certificate is not in the capture");
    for (unsigned i = 0; i < OCTETS_PARTS; i++) n += o->part[i].len;
    uint8_t *all = malloc(n ? n : 1);
    if (!all) return;
    wr_t w = wr_into(all, n);
    for (unsigned i = 0; i < OCTETS_PARTS; i++) wr_bytes(&w, o->part[i]);
    err_t err = signature_check(a, blob_span(cert), wr_span(&w));
    free(all);
    if (err == ERR_OK) return proved(h, "signed by the key of the certificate");
    if (err == ERR_AUTH) return disproved(h, "not signed by the key of the certificate");
    unproved(h, err_text(err));
}

// rfc9242 3.3.2: IntAuth = prf(SK_p, IntAuth of the round before | the message in clear).
static void cover(struct hearing *h, const struct key_auth *k)
{
    struct talk *t = h->talk;
    uint8_t next[PRF_MAX], *sum = t->covered[h->side];
    struct clear c;
    size_t len = k ? prf_len(k->prf) : 0;
    if (h->m->h.exchange != X_INTERMEDIATE) return;
    msg_clear(h->m, &c);
    const span_t parts[] = {span(sum, t->rounds[h->side] ? len : 0), SPAN(c.head), c.inside};
    const struct secret_key *key = k && h->side == INITIATOR ? &k->pi : k ? &k->pr : NULL;
    bool done = key && prf_do(k->prf, secret_key_span(key), parts, 3, next) == ERR_OK;
    if (done) memcpy(sum, next, len);
    if (!done) t->uncovered = true;
    t->rounds[h->side]++;
}

// What stands behind the octets of AUTH, if there was IKE_INTERMEDIATE: both sums, Message ID.
static span_t covered(const struct talk *t, const struct key_auth *k, uint8_t buf[INTAUTH_LEN_MAX])
{
    wr_t w = wr_into(buf, INTAUTH_LEN_MAX);
    if (!t->rounds[INITIATOR]) return span(NULL, 0);
    wr_bytes(&w, span(t->covered[INITIATOR], prf_len(k->prf)));
    wr_bytes(&w, span(t->covered[RESPONDER], prf_len(k->prf)));
    wr_u32(&w, t->rounds[INITIATOR] + 1);
    return wr_span(&w);
}

// The octets that AUTH of this side covers; NULL or why they are not known.
static const char *octets_of(struct hearing *h, const struct key_auth *k,
                             uint8_t between[INTAUTH_LEN_MAX], struct octets *o)
{
    const struct talk *t = h->talk;
    enum side peer = h->side == INITIATOR ? RESPONDER : INITIATOR;
    if (!k) return "the table pavise_auth has no SK_pi and SK_pr of this IKE SA";
    if (t->uncovered || t->rounds[INITIATOR] != t->rounds[RESPONDER])
        return "not every IKE_INTERMEDIATE could be read";
    if (!t->first[h->side].len || !t->nonce[peer].len || !t->id[h->side].len)
        return "IKE_SA_INIT or the identity is not in the capture";
    err_t err = octets_make(k->prf, blob_span(&t->first[h->side]), blob_span(&t->nonce[peer]),
                            h->side == INITIATOR ? &k->pi : &k->pr, blob_span(&t->id[h->side]),
                            covered(t, k, between), o);
    return err == ERR_OK ? NULL : err_text(err);
}

void prove(struct hearing *h)
{
    const struct talk *t = h->talk;
    const struct see_options *opt = &h->see->o;
    const struct key_auth *k = NULL;
    struct authp a;
    struct octets o;
    uint8_t between[INTAUTH_LEN_MAX];
    if (!opt->verify) return;
    if (opt->keys) k = see_keys_auth(opt->keys, t->spi_i, t->spi_r, t->rounds[h->side]);
    cover(h, k);
    if (h->m->h.exchange != X_AUTH || !(h->m->have & P(AUTH))) return;
    if (authp_read(msg_body(h->m, PAYLOAD_AUTH), &a) != ERR_OK) return;
    const char *why = octets_of(h, k, between, &o);
    if (why) return unproved(h, why);
    if (a.method == AUTH_PSK) {
        prove_psk(h, k, &a, &o);
    } else {
        prove_signature(h, &a, &o);
    }
}
