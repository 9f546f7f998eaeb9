#include "ike/auth/peer_work.h"

#include <string.h>

#include "base/log.h"
#include "base/words.h"
#include "cred/hash_url.h"
#include "cred/rules.h"
#include "cred/verdict.h"
#include "ike/auth/own.h"
#include "ike/auth/peer_dns.h"

// The certificates that were sent, and the key that has to have signed.
struct sent {
    struct cert *cert[TRUST_PEER_CERTS_MAX];
    unsigned n;
    struct pubkey *raw; // a key without certificate
};

static void sent_done(struct sent *s)
{
    for (unsigned i = 0; i < s->n; i++) cert_free(s->cert[i]);
    pubkey_free(s->raw);
}

static void tell_cert(const struct peer_work *p, const struct cert *c, bool first)
{
    char name[CERT_NAME_MAX];
    cert_name(c, name);
    if (first) log_say(p->level, "cert", SAY_CERT_HEARD, name);
    if (!first) log_say(p->level, "cert", SAY_CA_HEARD, name);
}

// Waits for a server. Which one the peer says; what comes must have the hash that it says, too.
static err_t fetch(struct peer_work *p, struct sent *s, unsigned i, struct why *why)
{
    const struct trust *t = p->conn->conf.creds ? p->conn->conf.creds->trust : NULL;
    const struct fetcher *f = t ? trust_fetcher(t) : NULL;
    bool bundle = p->cert[i].encoding == CERT_HASH_URL_BUNDLE;
    char url[CERT_URL_MAX + 1] = "", name[CERT_NAME_MAX];
    unsigned n = TRUST_PEER_CERTS_MAX - s->n;
    struct certp_url u;
    if (!f) return why_not(why, ERR_UNSUPPORTED, "nothing is fetched here");
    TRY(certp_url_read(blob_span(&p->cert[i].data), &u));
    memcpy(url, u.url.at, u.url.len);
    TRY(hash_url_get(f, url, u.hash.at, bundle, &s->cert[s->n], &n, why));
    if (!p->fetched.text[0]) {
        IGNORE(why_not(&p->fetched, ERR_OK, "fetched certificate \"%s\" from %.120s",
                       cert_name(s->cert[s->n], name), url)); // only the sentence
    }
    if (s->n == 0) log_say(p->level, "cert", SAY_URL_HEARD, url);
    if (s->n > 0) log_say(p->level, "cert", SAY_CA_URL_HEARD, url);
    tell_cert(p, s->cert[s->n], s->n == 0);
    s->n += n;
    return ERR_OK;
}

static err_t take(struct peer_work *p, struct sent *s, unsigned i, struct why *why)
{
    span_t data = blob_span(&p->cert[i].data);
    if (p->cert[i].encoding == CERT_RAW_KEY) {
        return s->raw ? ERR_OK : pubkey_from_spki(data, &s->raw, why);
    }
    if (s->n == TRUST_PEER_CERTS_MAX) return ERR_LIMIT;
    if (p->cert[i].encoding != CERT_X509) return fetch(p, s, i, why);
    TRY(cert_read(data, &s->cert[s->n], why));
    tell_cert(p, s->cert[s->n], s->n == 0);
    s->n++;
    return ERR_OK;
}

// rfc7296 3.6 MUST: the first certificate is that of the key that has signed. What comes behind it
// may help, or be of a kind unknown here.
static err_t sent_read(struct peer_work *p, struct sent *s, struct why *why)
{
    struct why reason = {0};
    for (unsigned i = 0; i < p->cert_n; i++) {
        uint8_t encoding = p->cert[i].encoding;
        if (encoding == CERT_OCSP || encoding == CERT_ATTRIBUTE) continue; // in chain_check()
        err_t err = take(p, s, i, &reason);
        if (err == ERR_OK || s->n || s->raw) continue;
        return why_not(why, ERR_AUTH, "its certificate cannot be used: %.200s",
                       reason.text[0] ? reason.text : err_text(err));
    }
    return ERR_OK;
}

// ---- the signature -----------------------------------------------------------------------------

static err_t scheme_of(const struct peer_work *p, struct scheme *scheme, span_t *sig,
                       struct why *why)
{
    struct authp_signature a;
    *sig = blob_span(&p->auth);
    if (p->method != AUTH_SIGNATURE) {
        if (scheme_from_method(p->method, scheme) == ERR_OK) return ERR_OK;
        return why_not(why, ERR_AUTH, "it proves itself with method %u, and not with a public key",
                       p->method);
    }
    err_t err = authp_signature_read(*sig, &a);
    if (err == ERR_OK) err = scheme_read(a.algorithm, scheme);
    *sig = a.value;
    if (err == ERR_OK) return err;
    return why_not(why, ERR_AUTH, "it has signed with an algorithm that is not known here");
}

static err_t not_allowed(const struct peer_work *p, const struct why *reason, struct why *why)
{
    log_say(p->level, "cert", SAY_SIGNATURE_UNFIT, reason->text);
    return why_not(why, ERR_AUTH, "it has signed in a way that remote.auth does not allow: %s",
                   reason->text);
}

err_t peer_work_signature(struct peer_work *p, const struct pubkey *key, struct why *why)
{
    struct key_rules rules = p->side->ike_rules.rules;
    struct scheme scheme;
    struct why reason = {0};
    span_t sig;
    TRY(scheme_of(p, &scheme, &sig, why));
    if (pubkey_verify(key, &scheme, blob_span(&p->octets), sig) != ERR_OK)
        return why_not(why, ERR_AUTH, "its signature is not of the key that it shows");
    // It is who it says; another connection may want what it has.
    p->key_is_right = true;
    // Method 1 is RSA with SHA-1 and nothing else; who wants better says so with hashes.
    if (p->method == AUTH_RSA && !rules.hashes) rules.hashes = HASH_BIT(HASH_SHA1);
    if (!rules.hashes) rules.hashes = HASHES_DEFAULT; // as offered: certificates may have others
    if (rules_key(&rules, key, &reason) != ERR_OK ||
        rules_scheme(&rules, &scheme, &reason) != ERR_OK)
        return not_allowed(p, &reason, why);
    return ERR_OK;
}

void peer_work_say_how(struct peer_work *p)
{
    char text[SCHEME_TEXT_MAX];
    struct scheme scheme = {0};
    span_t sig;
    IGNORE(scheme_of(p, &scheme, &sig, NULL)); // it has verified
    IGNORE(why_not(&p->how, ERR_OK, "%s", scheme_show(&scheme, text)));
}

// ---- whom to believe ---------------------------------------------------------------------------

static enum revocation revocation_of(const struct conf_side *side)
{
    if (side->revocation == CONF_REVOCATION_STRICT) return REVOCATION_STRICT;
    return side->revocation == CONF_REVOCATION_IFURI ? REVOCATION_IFURI : REVOCATION_RELAXED;
}

static unsigned certs_list(const struct cred_cert *l, struct cert **out, unsigned max)
{
    unsigned n = 0;
    for (; l && n < max; l = l->next) out[n++] = l->cert;
    return n;
}

#define LIST_MAX CONF_LIST_MAX

static err_t keep_one(struct peer_work *p, uint8_t encoding, span_t der)
{
    if (p->kept_n == TRUST_PEER_CERTS_MAX) return ERR_OK;
    TRY(blob_set(&p->kept[p->kept_n].data, der));
    p->kept[p->kept_n++].encoding = encoding;
    return ERR_OK;
}

static err_t keep(struct peer_work *p, struct cert *const *chain, unsigned n)
{
    if (!p->offline) return ERR_OK;
    for (unsigned i = 0; i < n; i++) TRY(keep_one(p, CERT_X509, cert_der(chain[i])));
    for (unsigned i = 0; i < p->acert_n; i++)
        TRY(keep_one(p, CERT_ATTRIBUTE, acert_der(p->acert[i])));
    return ERR_OK;
}

static unsigned answers_list(const struct peer_work *p, span_t out[TRUST_ANSWERS_MAX])
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->cert_n && n < TRUST_ANSWERS_MAX; i++) {
        if (p->cert[i].encoding == CERT_OCSP) out[n++] = blob_span(&p->cert[i].data);
    }
    return n;
}

// The lists that the terms of a connection point to.
struct terms {
    struct cert *certs[LIST_MAX], *cacerts[LIST_MAX];
    span_t answers[TRUST_ANSWERS_MAX];
    struct trust_terms t;
};

static void terms_fill(struct terms *w, struct peer_work *p)
{
    const struct conf_side *side = p->side;
    const struct side_creds *sc = side->creds;
    w->t = (struct trust_terms){
        .id = &p->id,
        .ca_id = side->ca_id_given ? &side->ca_id : NULL,
        .certs = w->certs,
        .n_certs = sc ? certs_list(sc->certs, w->certs, LIST_MAX) : 0,
        .cacerts = w->cacerts,
        .n_cacerts = sc ? certs_list(sc->cacerts, w->cacerts, LIST_MAX) : 0,
        .policies = (const char *const *)side->policy,
        .n_policies = side->policy_n,
        .groups = (const char *const *)side->group,
        .n_groups = side->group_n,
        .acerts = p->acert,
        .n_acerts = p->acert_n,
        .rules = side->chain_rules.rules,
        .revocation = revocation_of(side),
        .tries = &p->tries,
        .quiet = p->level == LOG_DEBUG,
        .offline = p->offline,
        .answers = w->answers,
        .n_answers = answers_list(p, w->answers),
    };
    if (!p->proven) return;
    w->t.certs = &p->proven;
    w->t.n_certs = 1;
}

static void believed(struct peer_work *p, const struct cert *own, struct blocks *blocks,
                     const struct why *note)
{
    blocks_free(p->blocks);
    p->blocks = blocks_ref(blocks);
    p->judged = true;
    p->note = *note;
    memcpy(p->who, cert_sha1(own), sizeof p->who);
    p->from = cert_not_before(own);
    p->until = cert_not_after(own);
}

// Would it be believed once it is valid? Then one of the clocks is wrong.
static void look_early(struct peer_work *p, struct cert *const *chain, unsigned n,
                       const struct trust_terms *terms)
{
    const struct trust *trust = p->conn->conf.creds->trust;
    int64_t begin = cert_not_before(chain[0]), now = (int64_t)p->now_s;
    if (now >= begin) return;
    if (trust_verify(trust, chain, n, terms, begin, NULL, NULL) != ERR_OK) return;
    p->early_s = (uint64_t)(begin - now);
}

// Is the key itself not believed, or only what the connection asks for besides not there?
static bool is_of_key(enum trust_fault fault)
{
    return fault != TRUST_FAULT_POLICY && fault != TRUST_FAULT_STATUS;
}

// key: under which the verdict may be kept; NULL: it may not.
static err_t chain_check(struct peer_work *p, struct cert *const *chain, unsigned n,
                         const struct terms *terms, const uint8_t *key)
{
    const struct trust *trust = p->conn->conf.creds->trust;
    struct trust_chain path = {0};
    err_t err = trust_verify(trust, chain, n, &terms->t, (int64_t)p->now_s, &path, &p->why);
    p->distrusted = err == ERR_AUTH;
    if (p->distrusted) p->fault = path.fault;
    if (p->distrusted && is_of_key(path.fault)) p->lacks = pubkey_kind(cert_pubkey(chain[0]));
    if (err != ERR_OK) look_early(p, chain, n, &terms->t);
    if (err != ERR_OK) return err;
    if (key) verdict_keep(trust, key, &path, (int64_t)p->now_s);
    believed(p, chain[0], path.blocks, &path.note);
    trust_chain_done(&path);
    return keep(p, chain, n);
}

static err_t check_cert(struct peer_work *p, struct cert *const *chain, unsigned n,
                        const struct terms *terms, const uint8_t *key)
{
    TRY(peer_work_signature(p, cert_pubkey(chain[0]), &p->why));
    TRY(chain_check(p, chain, n, terms, key));
    peer_work_say_how(p);
    return ERR_OK;
}

static err_t check_sent(struct peer_work *p, const struct sent *s, const uint8_t *key)
{
    struct terms terms;
    terms_fill(&terms, p);
    if (p->again) return s->n ? chain_check(p, s->cert, s->n, &terms, NULL) : ERR_AUTH;
    return check_cert(p, s->cert, s->n, &terms, key);
}

// ---- seen before -------------------------------------------------------------------------------

// false: what was sent has to be looked at in any case. A verdict of one who asks nobody is no
// verdict for others, and who asks once more wants to hear it anew.
static bool key_make(struct peer_work *p, uint8_t key[VERDICT_KEY_LEN])
{
    span_t sent[TRUST_PEER_CERTS_MAX];
    unsigned n = 0;
    struct terms terms;
    if (p->offline || p->again || p->cert_n > TRUST_PEER_CERTS_MAX) return false;
    for (unsigned i = 0; i < p->cert_n; i++) {
        if (p->cert[i].encoding == CERT_ATTRIBUTE) continue; // in the terms
        if (p->cert[i].encoding != CERT_X509) return false;
        sent[n++] = blob_span(&p->cert[i].data);
    }
    terms_fill(&terms, p);
    return n && verdict_key(p->conn->conf.creds->trust, sent, n, &terms.t, key);
}

// The same certificates were judged by the same rules a moment ago: what is left is the signature.
// ERR_NOTFOUND: they were not.
static err_t check_again(struct peer_work *p, const uint8_t key[VERDICT_KEY_LEN])
{
    struct why note;
    struct blocks *blocks = NULL;
    struct cert *own =
        verdict_find(p->conn->conf.creds->trust, key, (int64_t)p->now_s, &blocks, &note);
    if (!own) return ERR_NOTFOUND;
    char name[CERT_NAME_MAX];
    tell_cert(p, own, true);
    log_say(p->level, "cert", SAY_CERT, cert_name(own, name));
    log_say(p->level, "cert", "it was judged good a moment ago, and by the same rules");
    err_t err = peer_work_signature(p, cert_pubkey(own), &p->why);
    if (err == ERR_OK) {
        believed(p, own, blocks, &note);
        peer_work_say_how(p);
    }
    blocks_free(blocks);
    cert_free(own);
    return err;
}

// ---- keys and certificates that are known here -------------------------------------------------

// Only certificates can be said to be in a group.
static err_t refuse_groupless(struct peer_work *p)
{
    return why_not(&p->why, ERR_AUTH,
                   "it proves itself with a bare public key, and `groups` asks for an attribute "
                   "certificate, which only the holder of a certificate can have");
}

static err_t check_key(struct peer_work *p, const struct pubkey *key)
{
    const struct conf_side *side = p->side;
    if (side->group_n) return refuse_groupless(p);
    struct pubkey *known[LIST_MAX];
    unsigned n = 0;
    for (const struct cred_pub *l = side->creds ? side->creds->pubkeys : NULL; l && n < LIST_MAX;
         l = l->next) {
        known[n++] = l->key;
    }
    TRY(peer_work_signature(p, key, &p->why));
    TRY(trust_verify_key(key, known, n, &side->ike_rules.rules, &p->why));
    peer_work_say_how(p);
    return ERR_OK;
}

// The key of somebody who calls himself by it; where no section names keys, all that are known here
// count.
static err_t check_key_by_id(struct peer_work *p)
{
    const struct key_rules *rules = &p->side->ike_rules.rules;
    const struct side_creds *sc = p->side->creds;
    if (p->side->group_n) return refuse_groupless(p);
    if (p->id.type != ID_KEY_ID || (sc && (sc->certs || sc->cacerts || sc->pubkeys))) {
        return ERR_NOTFOUND;
    }
    for (const struct cred_pub *l = p->conn->conf.creds->pubkeys; l; l = l->next) {
        struct id id = own_key_id(l->key);
        struct pubkey *one = l->key;
        if (!id_eq(&id, &p->id)) continue;
        TRY(peer_work_signature(p, one, &p->why));
        TRY(trust_verify_key(one, &one, 1, rules, &p->why));
        peer_work_say_how(p);
        return ERR_OK;
    }
    return ERR_NOTFOUND;
}

static uint8_t kind_of_signature(const struct peer_work *p)
{
    struct scheme scheme = {0};
    span_t sig;
    IGNORE(scheme_of(p, &scheme, &sig, NULL)); // an unknown one is of no kind
    switch (scheme.kind) {
    case SCHEME_RSA:
    case SCHEME_PSS:
        return KEY_RSA;
    case SCHEME_ECDSA:
    case SCHEME_ECDSA_FIXED:
        return KEY_ECDSA;
    case SCHEME_ED25519:
        return KEY_ED25519;
    case SCHEME_ED448:
        return KEY_ED448;
    default:
        return 0;
    }
}

// It sent none: those that we have of it.
static err_t check_known(struct peer_work *p)
{
    char id[ID_TEXT_MAX];
    const struct side_creds *sc = p->side->creds;
    const struct cred_cert *l = sc && sc->certs ? sc->certs : p->conn->conf.creds->certs;
    struct terms terms;
    err_t err = ERR_NOTFOUND;
    terms_fill(&terms, p);
    for (; l && err != ERR_OK; l = l->next) {
        struct cert *one = l->cert;
        if (cert_has_id(one, &p->id)) err = check_cert(p, &one, 1, &terms, NULL);
    }
    for (const struct cred_pub *k = sc ? sc->pubkeys : NULL; k && err != ERR_OK; k = k->next) {
        err = check_key(p, k->key);
    }
    if (err == ERR_NOTFOUND) err = check_key_by_id(p);
    if (err != ERR_NOTFOUND) return err;
    p->lacks = kind_of_signature(p);
    return why_not(&p->why, ERR_AUTH,
                   "it sent no certificate, and there is none of %.150s here (x509, pubkey)",
                   id_show(&p->id, id));
}

// One that makes no sense says nothing.
static void acerts_read(struct peer_work *p)
{
    for (unsigned i = 0; i < p->cert_n && p->acert_n < TRUST_ACERTS_MAX; i++) {
        char name[CERT_NAME_MAX];
        struct why why = {""};
        if (p->cert[i].encoding != CERT_ATTRIBUTE) continue;
        err_t e = acert_read(blob_span(&p->cert[i].data), &p->acert[p->acert_n], &why);
        if (e != ERR_OK) {
            log_say(p->level, "cert", "an attribute certificate of the peer is passed over: %s",
                    why.text[0] ? why.text : err_text(e));
            continue;
        }
        log_say(p->level, "cert", SAY_ACERT_HEARD, acert_issuer_name(p->acert[p->acert_n], name));
        p->acert_n++;
    }
}

static err_t judge(struct peer_work *p, struct sent *s)
{
    uint8_t key[VERDICT_KEY_LEN];
    if (!p->conn->conf.creds || !p->conn->conf.creds->trust) {
        return why_not(&p->why, ERR_AUTH, "no certificates were read here");
    }
    acerts_read(p);
    bool keyed = key_make(p, key);
    err_t err = keyed ? check_again(p, key) : ERR_NOTFOUND;
    if (err != ERR_NOTFOUND) return err;
    TRY(sent_read(p, s, &p->why));
    if (s->n || p->again) return check_sent(p, s, keyed ? key : NULL);
    return s->raw ? check_key(p, s->raw) : check_known(p);
}

err_t peer_work_judge(struct peer_work *p, struct cert *const *chain, unsigned n)
{
    struct terms terms;
    if (!p->conn->conf.creds || !p->conn->conf.creds->trust) {
        return p->err = why_not(&p->why, ERR_AUTH, "no certificates were read here");
    }
    for (unsigned i = 0; i < n; i++) tell_cert(p, chain[i], i == 0);
    terms_fill(&terms, p);
    if (p->id.type == ID_ANY) terms.t.id = NULL;
    p->err = chain_check(p, chain, n, &terms, NULL);
    return p->err;
}

err_t peer_work_proven(struct peer_work *p, struct cert *cert)
{
    struct terms terms;
    p->proven = cert;
    terms_fill(&terms, p);
    err_t err =
        p->again ? chain_check(p, &cert, 1, &terms, NULL) : check_cert(p, &cert, 1, &terms, NULL);
    p->proven = NULL;
    return err;
}

static void tell_no_key(const struct peer_work *p)
{
    static const char *const kinds[] = {
        [KEY_RSA] = "RSA", [KEY_ECDSA] = "ECDSA", [KEY_ED25519] = "ED25519", [KEY_ED448] = "ED448"};
    char name[ID_TEXT_MAX];
    log_say(p->level, "cert", SAY_NO_KEY, kinds[p->lacks], id_show(&p->id, name));
}

void peer_work_run(struct ike_work *w)
{
    struct peer_work *p = (struct peer_work *)w;
    struct sent s = {0};
    p->err = judge(p, &s);
    if (p->err != ERR_OK) peer_dns_judge(p, s.n ? s.cert[0] : NULL);
    if (p->err != ERR_OK && p->lacks && !p->again) tell_no_key(p);
    if (p->err == ERR_LIMIT) p->err = ERR_AUTH; // a verdict: it must not look like too much to do
    sent_done(&s);
}

void peer_work_done(struct peer_work *p)
{
    for (unsigned i = 0; i < p->cert_n; i++) blob_done(&p->cert[i].data);
    for (unsigned i = 0; i < p->kept_n; i++) blob_done(&p->kept[i].data);
    for (unsigned i = 0; i < p->acert_n; i++) acert_free(p->acert[i]);
    blob_done(&p->auth);
    blob_done(&p->octets);
    blocks_free(p->blocks);
    conn_put(p->conn);
}
