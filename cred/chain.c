// chain.c - from a peer's certificate to an anchor. First a walk over names and signatures, with a
// bound on the signatures tried, leaves only certificates that could be part of a path; then
// OpenSSL builds the path of these and validates it.
#include <string.h>

#include "base/log.h"
#include "base/words.h"
#include "cred/pkey.h"
#include "cred/trustx.h"

// ---- the walk ----

struct cert *walk_source(const struct walk *w, unsigned i)
{
    if (i < w->terms->n_cacerts) return w->terms->cacerts[i];
    i -= w->terms->n_cacerts;
    if (i < w->t->cas.n) return w->t->cas.at[i];
    i -= w->t->cas.n;
    return i + 1 < w->n_peer ? w->peer[i + 1] : NULL;
}

static bool is_reached(const struct walk *w, const struct cert *c)
{
    for (unsigned i = 0; i < w->n_reached; i++) {
        if (cert_eq(w->reached[i], c)) return true;
    }
    return false;
}

static err_t reach_try(struct walk *w, const struct cert *child, struct cert *issuer,
                       struct why *why)
{
    if (X509_NAME_cmp(X509_get_issuer_name(cert_x509(child)),
                      X509_get_subject_name(cert_x509(issuer))) != 0 ||
        is_reached(w, issuer)) {
        return ERR_OK;
    }
    if (w->tries == 0 || w->n_reached == WALK_MAX) {
        char name[CERT_NAME_MAX];
        return why_not(why, ERR_LIMIT,
                       "more than %d certificates may have signed \"%s\"; remove what has "
                       "the same name and is not needed",
                       w->n_reached == WALK_MAX ? WALK_MAX : TRUST_TRIES_MAX,
                       cert_name(child, name));
    }
    w->tries--; // by us or by OpenSSL
    bool good = w->quick || X509_verify(cert_x509(child), pubkey_pkey(cert_pubkey(issuer))) == 1;
    if (good) {
        w->reached[w->n_reached++] = issuer;
    } else if (!w->miss_child) {
        w->miss_child = child;
        w->miss_issuer = issuer;
    }
    ERR_clear_error();
    return ERR_OK;
}

static err_t reach_all(struct walk *w, struct why *why)
{
    struct cert *issuer;
    w->reached[0] = w->peer[0];
    w->n_reached = 1;
    for (unsigned i = 0; i < w->n_reached; i++) {
        unsigned before = w->n_reached;
        for (unsigned k = 0; (issuer = walk_source(w, k)) != NULL; k++) {
            TRY(reach_try(w, w->reached[i], issuer, why));
            // Two of one name: only the signature tells which of them it was.
            if (w->quick && w->n_reached > before + 1) return ERR_AGAIN;
        }
    }
    return ERR_OK;
}

// ---- OpenSSL ----

bool trust_has(const struct cert_list *l, const struct cert *c)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (cert_eq(l->at[i], c)) return true;
    }
    return false;
}

static bool is_root(const struct walk *w, const struct cert *c)
{
    bool known = trust_has(&w->t->cas, c);
    for (unsigned i = 0; i < w->terms->n_cacerts && !known; i++) {
        known = cert_eq(w->terms->cacerts[i], c);
    }
    return known && cert_is_self_signed(c);
}

static bool root_is_reached(const struct walk *w)
{
    for (unsigned i = 1; i < w->n_reached; i++) {
        if (is_root(w, w->reached[i])) return true;
    }
    return false;
}

// A path ends at an authority that signs itself and that the user has put among the authorities; at
// one that the connection names where its own issuer is not known; or at the peer's certificate, if
// the user has named that one.
static bool is_anchor(const struct walk *w, const struct cert *c)
{
    const struct trust_terms *t = w->terms;
    for (unsigned i = 0; i < t->n_cacerts; i++) {
        if (cert_eq(t->cacerts[i], c)) return cert_is_self_signed(c) || !root_is_reached(w);
    }
    if (is_root(w, c)) return true;
    if (t->n_cacerts > 0) return false;
    for (unsigned i = 0; i < t->n_certs; i++) {
        if (cert_eq(t->certs[i], c)) return true;
    }
    return c == w->peer[0] && trust_has(&w->t->certs, c);
}

static err_t probe_fill(struct probe *p, const struct walk *w)
{
    for (unsigned i = 0; i < w->n_reached; i++) {
        X509 *x = cert_x509(w->reached[i]);
        if (is_anchor(w, w->reached[i])) {
            if (!X509_STORE_add_cert(p->store, x)) return ERR_NOMEM;
        } else if (i > 0) {
            if (!sk_X509_push(p->helpers, x)) return ERR_NOMEM;
        }
    }
    return ERR_OK;
}

static err_t policies_ask(X509_VERIFY_PARAM *param, const struct trust_terms *terms)
{
    // rfc5280 6.1.1 (c): whom it does not matter to says any-policy; OpenSSL would take none as
    // none
    if (terms->n_policies == 0) {
        return X509_VERIFY_PARAM_add0_policy(param, OBJ_nid2obj(NID_any_policy)) ? ERR_OK
                                                                                 : ERR_NOMEM;
    }
    for (unsigned i = 0; i < terms->n_policies; i++) {
        ASN1_OBJECT *oid = OBJ_txt2obj(terms->policies[i], 1);
        if (!oid || !X509_VERIFY_PARAM_add0_policy(param, oid)) {
            ASN1_OBJECT_free(oid);
            return ERR_SYNTAX;
        }
    }
    return ERR_OK;
}

err_t probe_open(struct probe *p, const struct walk *w, unsigned long flags)
{
    *p = (struct probe){X509_STORE_new(), sk_X509_new_null(), X509_STORE_CTX_new()};
    if (!p->store || !p->helpers || !p->ctx) return ERR_NOMEM;
    TRY(probe_fill(p, w));
    if (!X509_STORE_CTX_init(p->ctx, p->store, cert_x509(w->peer[0]), p->helpers))
        return ERR_CRYPTO;
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(p->ctx);
    // Every anchor in the store was named as one, so a path may end at an intermediate authority.
    flags |= X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_POLICY_CHECK;
    if (w->terms->n_policies > 0) flags |= X509_V_FLAG_EXPLICIT_POLICY;
    if (w->t->any_critical) flags |= X509_V_FLAG_IGNORE_CRITICAL;
    if (!X509_VERIFY_PARAM_set_flags(param, flags)) return ERR_CRYPTO;
    X509_VERIFY_PARAM_set_time(param, (time_t)w->now);
    X509_VERIFY_PARAM_set_depth(param, TRUST_CHAIN_MAX - 2); // authorities between the two ends
    return policies_ask(param, w->terms);
}

void probe_done(struct probe *p)
{
    X509_STORE_CTX_free(p->ctx);
    X509_STORE_free(p->store);
    sk_X509_free(p->helpers);
    ERR_clear_error();
}

// ---- the result ----

static struct cert *cert_of(const struct walk *w, const X509 *x)
{
    for (unsigned i = 0; i < w->n_reached; i++) {
        if (cert_x509(w->reached[i]) == x) return w->reached[i];
    }
    return NULL;
}

static err_t chain_take(struct walk *w, X509_STORE_CTX *ctx)
{
    STACK_OF(X509) *found = X509_STORE_CTX_get0_chain(ctx);
    int n = sk_X509_num(found);
    if (n < 1 || n > TRUST_CHAIN_MAX) return ERR_LIMIT;
    w->chain.n = 0;
    for (int i = 0; i < n; i++) {
        struct cert *c = cert_of(w, sk_X509_value(found, i));
        if (!c) return ERR_CRYPTO;
        w->chain.cert[w->chain.n++] = c;
    }
    return ERR_OK;
}

// OpenSSL is content with one of the policies; swanctl.conf's cert_policy asks for all of them.
static err_t policies_check(const struct walk *w, X509_STORE_CTX *ctx, struct why *why)
{
    X509_POLICY_TREE *tree = X509_STORE_CTX_get0_policy_tree(ctx);
    STACK_OF(X509_POLICY_NODE) *held = tree ? X509_policy_tree_get0_user_policies(tree) : NULL;
    for (unsigned i = 0; i < w->terms->n_policies; i++) {
        ASN1_OBJECT *oid = OBJ_txt2obj(w->terms->policies[i], 1);
        bool found = false;
        for (int k = 0; oid && k < sk_X509_POLICY_NODE_num(held); k++) {
            const X509_POLICY_NODE *node = sk_X509_POLICY_NODE_value(held, k);
            found = found || OBJ_cmp(X509_policy_node_get0_policy(node), oid) == 0;
        }
        ASN1_OBJECT_free(oid);
        if (found) continue;
        char name[CERT_NAME_MAX];
        log_say(w->level, "cert", SAY_POLICY_LACKS, w->terms->policies[i]);
        return why_not(why, ERR_AUTH,
                       "certificate \"%s\" is not good for the policy %s that `cert_policy` "
                       "asks for; have one issued under it",
                       cert_name(w->peer[0], name), w->terms->policies[i]);
    }
    return ERR_OK;
}

// A connection that names authorities believes only what one of them stands above.
static err_t cacerts_check(const struct walk *w, struct why *why)
{
    char name[CERT_NAME_MAX], ca[CERT_NAME_MAX];
    if (w->terms->n_cacerts == 0) return ERR_OK;
    for (unsigned i = 1; i < w->chain.n; i++) {
        for (unsigned k = 0; k < w->terms->n_cacerts; k++) {
            if (cert_eq(w->chain.cert[i], w->terms->cacerts[k])) return ERR_OK;
        }
    }
    log_say(w->level, "cert", SAY_OTHER_CA, cert_name(w->terms->cacerts[0], ca));
    return why_not(why, ERR_AUTH, "no authority that `cacerts` names has signed certificate \"%s\"",
                   cert_name(w->peer[0], name));
}

static enum trust_fault fault_of(int code)
{
    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return TRUST_FAULT_EXPIRED;
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
        return TRUST_FAULT_PATH_LEN;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return TRUST_FAULT_NO_ISSUER;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return TRUST_FAULT_ROOT;
    default:
        return TRUST_FAULT_POLICY;
    }
}

// What is wrong with address blocks has a sentence of its own.
static err_t say_unnested(struct walk *w, X509_STORE_CTX *ctx, struct why *why)
{
    if (X509_STORE_CTX_get_error(ctx) != X509_V_ERR_UNNESTED_RESOURCE) return ERR_OK;
    TRY(chain_take(w, ctx));
    err_t e = blocks_check(w, why);
    blocks_free(w->chain.blocks);
    w->chain.blocks = NULL;
    return e;
}

static err_t chain_judge(struct walk *w, X509_STORE_CTX *ctx, struct why *why)
{
    if (X509_verify_cert(ctx) == 1) {
        TRY(policies_check(w, ctx, why));
        TRY(chain_take(w, ctx));
        return cacerts_check(w, why);
    }
    TRY(say_unnested(w, ctx, why));
    X509 *x = X509_STORE_CTX_get_current_cert(ctx);
    w->depth = (unsigned)X509_STORE_CTX_get_error_depth(ctx);
    const struct cert *c = x ? cert_of(w, x) : NULL;
    w->chain.fault = fault_of(X509_STORE_CTX_get_error(ctx));
    return refusal_say(X509_STORE_CTX_get_error(ctx), c ? c : w->peer[0], w, why);
}

static err_t chain_try(struct walk *w, struct why *why)
{
    struct probe p;
    TRY(reach_all(w, why));
    err_t e = probe_open(&p, w, 0);
    if (e == ERR_OK) e = chain_judge(w, p.ctx, why);
    probe_done(&p);
    return e;
}

// Mostly each certificate has one possible issuer, and its signature need not be verified twice.
// What comes to nothing that way is looked at thoroughly, for the sentence, too.
err_t chain_find(struct walk *w, struct why *why)
{
    struct why unused = {""};
    enum log_level level = w->level;
    w->quick = true;
    w->level = LOG_DEBUG;
    err_t e = chain_try(w, &unused);
    w->level = level;
    if (e == ERR_OK) return ERR_OK;
    w->quick = false;
    w->chain = (struct trust_chain){0};
    return chain_try(w, why);
}
