#include "cred/trust.h"

#include <stdlib.h>
#include <string.h>

#include "cred/trustx.h"
#include "cred/verdict.h"

// ---- the store ----

struct trust *trust_new(void)
{
    struct trust *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    atomic_init(&t->refs, 1);
    t->crls = sk_X509_CRL_new_null();
    t->verdicts = verdicts_new();
    if (t->crls && t->verdicts) return t;
    trust_free(t);
    return NULL;
}

struct trust *trust_ref(struct trust *t)
{
    (void)atomic_fetch_add(&t->refs, 1);
    return t;
}

static void list_done(struct cert_list *l)
{
    for (unsigned i = 0; i < l->n; i++) cert_free(l->at[i]);
    free(l->at);
}

void trust_free(struct trust *t)
{
    if (!t || atomic_fetch_sub(&t->refs, 1) != 1) return;
    list_done(&t->cas);
    list_done(&t->certs);
    list_done(&t->signers);
    list_done(&t->aas);
    for (unsigned i = 0; i < t->n_acerts; i++) acert_free(t->acerts[i]);
    free(t->acerts);
    verdicts_free(t->verdicts);
    sk_X509_CRL_pop_free(t->crls, X509_CRL_free);
    while (t->authorities) {
        struct authority *a = t->authorities;
        t->authorities = a->next;
        for (unsigned i = 0; i < a->n_crl; i++) free(a->crl[i]);
        for (unsigned i = 0; i < a->n_ocsp; i++) free(a->ocsp[i]);
        free(a);
    }
    free(t);
}

static err_t list_add(struct cert_list *l, struct cert *c)
{
    if (trust_has(l, c)) return ERR_OK;
    if (l->n == l->room) {
        unsigned room = l->room ? 2 * l->room : 8;
        struct cert **at = reallocarray(l->at, room, sizeof(struct cert *));
        if (!at) return ERR_NOMEM;
        l->at = at;
        l->room = room;
    }
    l->at[l->n++] = cert_ref(c);
    return ERR_OK;
}

err_t trust_add_ca(struct trust *t, struct cert *ca, struct why *why)
{
    // Version 1 certificates have no extensions; as anchors they are still about.
    bool old = X509_get_version(cert_x509(ca)) == X509_VERSION_1 && cert_is_self_signed(ca);
    if (cert_is_ca(ca) || old) return list_add(&t->cas, ca);
    char name[CERT_NAME_MAX];
    return why_not(why, ERR_UNSUPPORTED,
                   "certificate \"%s\" is no authority's: its basic constraints do not say CA:TRUE",
                   cert_name(ca, name));
}

err_t trust_add_cert(struct trust *t, struct cert *cert)
{
    return list_add(&t->certs, cert);
}

err_t trust_add_ocsp_signer(struct trust *t, struct cert *cert)
{
    return list_add(&t->signers, cert);
}

err_t trust_add_aa(struct trust *t, struct cert *aa, struct why *why)
{
    char name[CERT_NAME_MAX];
    if (!cert_is_ca(aa)) return list_add(&t->aas, aa);
    return why_not(why, ERR_UNSUPPORTED,
                   "certificate \"%s\" is an authority's for certificates, which attribute "
                   "authorities may not be (RFC 5755)",
                   cert_name(aa, name));
}

err_t trust_add_acert(struct trust *t, struct acert *a)
{
    if (t->n_acerts == t->room_acerts) {
        unsigned room = t->room_acerts ? 2 * t->room_acerts : 8;
        struct acert **at = reallocarray(t->acerts, room, sizeof(struct acert *));
        if (!at) return ERR_NOMEM;
        t->acerts = at;
        t->room_acerts = room;
    }
    t->acerts[t->n_acerts++] = acert_ref(a);
    return ERR_OK;
}

err_t trust_add_crl(struct trust *t, span_t file, struct why *why)
{
    X509_CRL *crl;
    TRY(crl_read(file, &crl, why));
    if (sk_X509_CRL_push(t->crls, crl)) return ERR_OK;
    X509_CRL_free(crl);
    return ERR_NOMEM;
}

static struct authority *authority_get(struct trust *t, const struct cert *ca)
{
    const uint8_t *key = pubkey_spki_sha1(cert_pubkey(ca));
    for (struct authority *a = t->authorities; a; a = a->next) {
        if (!memcmp(a->key, key, KEY_SHA1_LEN)) return a;
    }
    struct authority *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    memcpy(a->key, key, KEY_SHA1_LEN);
    a->next = t->authorities;
    t->authorities = a;
    return a;
}

static err_t uri_add(char **list, unsigned *n, const char *uri)
{
    if (*n == TRUST_URIS_MAX) return ERR_SPACE;
    list[*n] = strdup(uri);
    if (!list[*n]) return ERR_NOMEM;
    ++*n;
    return ERR_OK;
}

err_t trust_add_crl_uri(struct trust *t, const struct cert *ca, const char *uri)
{
    struct authority *a = authority_get(t, ca);
    return a ? uri_add(a->crl, &a->n_crl, uri) : ERR_NOMEM;
}

err_t trust_add_ocsp_uri(struct trust *t, const struct cert *ca, const char *uri)
{
    struct authority *a = authority_get(t, ca);
    return a ? uri_add(a->ocsp, &a->n_ocsp, uri) : ERR_NOMEM;
}

void trust_set_fetching(struct trust *t, const struct fetcher *fetcher, struct crl_cache *cache)
{
    if (t->fetcher == fetcher && t->cache == cache) return; // others may be reading them
    t->fetcher = fetcher;
    t->cache = cache;
}

void trust_set_checks(struct trust *t, bool ocsp, bool crl)
{
    t->no_ocsp = !ocsp;
    t->no_crl = !crl;
}

bool trust_asks_ocsp(const struct trust *t)
{
    return !t->no_ocsp;
}

void trust_set_critical(struct trust *t, bool enforce)
{
    t->any_critical = !enforce;
}

void trust_set_blocks(struct trust *t, bool strict)
{
    t->may_lack_blocks = !strict;
}

void trust_set_keeping(struct trust *t, bool keep)
{
    t->no_verdicts = !keep;
}

void trust_set_keeper(struct trust *t, trust_crl_fn *fn, void *ctx)
{
    t->keeper = fn;
    t->keeper_ctx = ctx;
}

const struct fetcher *trust_fetcher(const struct trust *t)
{
    return t->fetcher;
}

void trust_set_dnssec(struct trust *t, const struct dnssec_source *source)
{
    if (t->dnssec != source) t->dnssec = source; // others may be reading it
}

const struct dnssec_source *trust_dnssec(const struct trust *t)
{
    return t->dnssec;
}

const struct cert *trust_ca_at(const struct trust *t, unsigned i)
{
    return i < t->cas.n ? t->cas.at[i] : NULL;
}

// ---- the profile for IKE ----

// rfc4945 5.1.3.2 MUST: with a key usage, digitalSignature or nonRepudiation is among them
static err_t usage_check(const struct cert *c, struct why *why)
{
    char name[CERT_NAME_MAX];
    uint32_t usage = X509_get_key_usage(cert_x509(c)); // all bits without the extension
    if (usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) return ERR_OK;
    return why_not(why, ERR_AUTH,
                   "certificate \"%s\" may not be used for signatures: its key usage has neither "
                   "digitalSignature nor nonRepudiation; have one issued with either",
                   cert_name(c, name));
}

// rfc4945 5.1.3.12: ipsecIKE and any are for IKE. The three of IPsec are from before it, and
// certificates for VPNs were always issued as a TLS server's or client's, too; all these say "for
// authentication on a network". Only a certificate for something else is refused.
static bool purpose_fits(const EXTENDED_KEY_USAGE *all)
{
    static const char *const good[] = {
        "1.3.6.1.5.5.7.3.17", // ipsecIKE
        "2.5.29.37.0",        // any
        "1.3.6.1.5.5.8.2.2",  // ikeIntermediate
        "1.3.6.1.5.5.7.3.5",  // ipsecEndSystem
        "1.3.6.1.5.5.7.3.6",  // ipsecTunnel
        "1.3.6.1.5.5.7.3.7",  // ipsecUser
        "1.3.6.1.5.5.7.3.1",  // serverAuth
        "1.3.6.1.5.5.7.3.2",  // clientAuth
    };
    for (int i = 0; i < sk_ASN1_OBJECT_num(all); i++) {
        char oid[80] = "";
        (void)OBJ_obj2txt(oid, sizeof oid, sk_ASN1_OBJECT_value(all, i), 1);
        for (size_t k = 0; k < sizeof good / sizeof *good; k++) {
            if (!strcmp(oid, good[k])) return true;
        }
    }
    return false;
}

static err_t purpose_check(const struct cert *c, struct why *why)
{
    char name[CERT_NAME_MAX];
    int found; // -1: there is no such extension
    EXTENDED_KEY_USAGE *all = X509_get_ext_d2i(cert_x509(c), NID_ext_key_usage, &found, NULL);
    bool fits = all ? purpose_fits(all) : found == -1;
    EXTENDED_KEY_USAGE_free(all);
    if (fits) return ERR_OK;
    return why_not(why, ERR_AUTH,
                   "certificate \"%s\" is for something else: its extended key usage has neither "
                   "ipsecIKE nor serverAuth nor clientAuth; have one issued with one of them",
                   cert_name(c, name));
}

// ---- the terms of the connection ----

static err_t certs_check(const struct walk *w, struct why *why)
{
    char name[CERT_NAME_MAX];
    for (unsigned i = 0; i < w->terms->n_certs; i++) {
        if (cert_eq(w->terms->certs[i], w->peer[0])) return ERR_OK;
    }
    if (w->terms->n_certs == 0) return ERR_OK;
    return why_not(why, ERR_AUTH,
                   "certificate \"%s\" is not one of those that `certs` names for the peer",
                   cert_name(w->peer[0], name));
}

static err_t id_check(const struct walk *w, struct why *why)
{
    char name[CERT_NAME_MAX], id[ID_TEXT_MAX];
    if (!w->terms->id || cert_has_id(w->peer[0], w->terms->id)) return ERR_OK;
    return why_not(why, ERR_AUTH,
                   "the peer claims to be \"%.60s\", which certificate \"%s\" does not say in "
                   "subject or subjectAltName; set the peer's `id` to what it says",
                   id_show(w->terms->id, id), cert_name(w->peer[0], name));
}

static err_t ca_id_check(const struct walk *w, struct why *why)
{
    char name[CERT_NAME_MAX], id[ID_TEXT_MAX];
    if (!w->terms->ca_id || w->terms->ca_id->type == ID_ANY) return ERR_OK;
    for (unsigned i = 1; i < w->chain.n; i++) {
        if (cert_match(w->chain.cert[i], w->terms->ca_id)) return ERR_OK;
    }
    return why_not(why, ERR_AUTH,
                   "no authority above certificate \"%s\" is \"%.80s\", as `ca_id` asks",
                   cert_name(w->peer[0], name), id_show(w->terms->ca_id, id));
}

static err_t signature_scheme(const struct cert *c, struct scheme *out)
{
    const X509_ALGOR *alg;
    unsigned char *der = NULL;
    X509_get0_signature(NULL, &alg, cert_x509(c));
    int n = i2d_X509_ALGOR(alg, &der);
    err_t e = n > 0 ? scheme_read(span(der, (size_t)n), out) : ERR_SYNTAX;
    OPENSSL_free(der);
    return e;
}

// The anchor's own signature proves nothing, so only its key is looked at.
static err_t rules_check(const struct walk *w, struct why *why)
{
    for (unsigned i = 0; i < w->chain.n; i++) {
        const struct cert *c = w->chain.cert[i];
        char name[CERT_NAME_MAX];
        struct scheme s;
        struct why rule = {"it is signed with an algorithm that is not supported"};
        err_t e = rules_key(&w->terms->rules, cert_pubkey(c), &rule);
        if (e != ERR_OK) {
            return why_not(why, ERR_AUTH, "certificate \"%s\" has %s", cert_name(c, name),
                           rule.text);
        }
        if (i + 1 == w->chain.n) continue;
        e = signature_scheme(c, &s);
        if (e == ERR_OK) e = rules_scheme(&w->terms->rules, &s, &rule);
        if (e == ERR_OK) continue;
        return why_not(why, ERR_AUTH, "certificate \"%s\" is not accepted: %s", cert_name(c, name),
                       rule.text);
    }
    return ERR_OK;
}

// ---- all together ----

static err_t walk_run(struct walk *w, struct why *why)
{
    TRY(certs_check(w, why));
    TRY(chain_find(w, why));
    tell_path(w);
    TRY(blocks_check(w, why));
    TRY(usage_check(w->peer[0], why));
    TRY(purpose_check(w->peer[0], why));
    TRY(id_check(w, why));
    TRY(ca_id_check(w, why));
    TRY(rules_check(w, why));
    w->chain.good_until = INT64_MAX;
    for (unsigned i = 0; i < w->chain.n; i++) {
        int64_t end = cert_not_after(w->chain.cert[i]);
        if (end < w->chain.good_until) w->chain.good_until = end;
    }
    TRY(revoke_check(w, why));
    return groups_check(w, why);
}

err_t trust_verify(const struct trust *t, struct cert *const *chain, unsigned n,
                   const struct trust_terms *terms, int64_t now, struct trust_chain *out,
                   struct why *why)
{
    if (n == 0) return why_not(why, ERR_AUTH, "the peer has sent no certificate");
    struct walk w = {
        .t = t,
        .terms = terms,
        .now = now,
        .level = terms->quiet ? LOG_DEBUG : LOG_STORY,
        .peer = chain,
        .n_peer = n < TRUST_PEER_CERTS_MAX ? n : TRUST_PEER_CERTS_MAX,
        .tries = terms->tries ? *terms->tries : TRUST_TRIES_MAX,
    };
    err_t e = walk_run(&w, why);
    if (terms->tries) *terms->tries = w.tries;
    if (e != ERR_OK || !out) blocks_free(w.chain.blocks);
    if (e != ERR_OK && out) *out = (struct trust_chain){.fault = w.chain.fault};
    TRY(e);
    if (!out) return ERR_OK;
    *out = w.chain;
    for (unsigned i = 0; i < out->n; i++) cert_ref(out->cert[i]);
    return ERR_OK;
}

void trust_chain_done(struct trust_chain *c)
{
    for (unsigned i = 0; i < c->n; i++) cert_free(c->cert[i]);
    blocks_free(c->blocks);
    c->blocks = NULL;
    c->n = 0;
}

err_t trust_verify_key(const struct pubkey *key, struct pubkey *const *known, unsigned n,
                       const struct key_rules *rules, struct why *why)
{
    struct why rule = {""};
    char text[PUBKEY_TEXT_MAX];
    bool found = false;
    for (unsigned i = 0; i < n; i++) found = found || pubkey_eq(known[i], key);
    if (!found) {
        return why_not(why, ERR_AUTH,
                       "the peer's public key (%s) is not one of those that `pubkeys` names",
                       pubkey_show(key, text));
    }
    if (rules_key(rules, key, &rule) == ERR_OK) return ERR_OK;
    return why_not(why, ERR_AUTH, "the peer's public key is %s", rule.text);
}
