// revoke.c - has an authority taken a certificate back? OCSP is asked first where somebody answers
// it, then the CRLs at hand, then those that can be fetched. Anchors are not asked about: they were
// named by the user, and who else should revoke them.
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/words.h"
#include "cred/pkey.h"
#include "cred/trustx.h"

// ---- the lists at hand ----

static bool signed_by(X509_CRL *crl, const struct cert *c)
{
    bool yes = X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(cert_x509(c))) == 0 &&
               X509_CRL_verify(crl, pubkey_pkey(cert_pubkey(c))) == 1;
    ERR_clear_error();
    return yes;
}

static bool chain_issued(const struct walk *w, const struct cert *c)
{
    for (unsigned i = 1; i < w->chain.n; i++) {
        if (w->chain.cert[i] == c || cert_is_issued_by(c, w->chain.cert[i])) return true;
    }
    return false;
}

// OpenSSL takes the newest list of a name and then looks at its signature, so one that anybody
// could have made, or another connection's authority of the same name, must not come to stand
// beside the good ones.
static bool crl_is_known(const struct walk *w, X509_CRL *crl)
{
    struct cert *c;
    for (unsigned i = 1; i < w->chain.n; i++) {
        if (signed_by(crl, w->chain.cert[i])) return true;
    }
    for (unsigned i = 0; (c = walk_source(w, i)) != NULL; i++) {
        if (signed_by(crl, c) && (trust_has(&w->t->cas, c) || chain_issued(w, c))) return true;
    }
    return false;
}

static err_t known_add(const struct walk *w, STACK_OF(X509_CRL) * from, STACK_OF(X509_CRL) * to)
{
    for (int i = 0; i < sk_X509_CRL_num(from); i++) {
        X509_CRL *crl = sk_X509_CRL_value(from, i);
        if (!crl_is_known(w, crl)) continue;
        if (!sk_X509_CRL_push(to, crl)) return ERR_NOMEM;
        X509_CRL_up_ref(crl);
    }
    return ERR_OK;
}

err_t walk_lists(const struct walk *w, STACK_OF(X509_CRL) * out)
{
    TRY(known_add(w, w->t->crls, out));
    if (!w->t->cache) return ERR_OK;
    STACK_OF(X509_CRL) *fetched = sk_X509_CRL_new_null();
    err_t e = fetched ? crl_cache_list(w->t->cache, fetched) : ERR_NOMEM;
    if (e == ERR_OK) e = known_add(w, fetched, out);
    sk_X509_CRL_pop_free(fetched, X509_CRL_free);
    return e;
}

static err_t own_lists(STACK_OF(X509_CRL) * from, const struct cert *c, STACK_OF(X509_CRL) * to)
{
    for (int i = 0; i < sk_X509_CRL_num(from); i++) {
        X509_CRL *crl = sk_X509_CRL_value(from, i);
        if (!signed_by(crl, c)) continue;
        if (!sk_X509_CRL_push(to, crl)) return ERR_NOMEM;
        X509_CRL_up_ref(crl);
    }
    return ERR_OK;
}

err_t lists_of_issuer(const struct walk *w, const struct cert *c, STACK_OF(X509_CRL) * out)
{
    TRY(own_lists(w->t->crls, c, out));
    if (!w->t->cache) return ERR_OK;
    STACK_OF(X509_CRL) *fetched = sk_X509_CRL_new_null();
    err_t e = fetched ? crl_cache_list(w->t->cache, fetched) : ERR_NOMEM;
    if (e == ERR_OK) e = own_lists(fetched, c, out);
    sk_X509_CRL_pop_free(fetched, X509_CRL_free);
    return e;
}

// ---- what the CRLs say ----

// One validation with CRLs. What the callback notes of a depth stands over what comes later.
struct look {
    const struct walk *w;
    bool noted[TRUST_CHAIN_MAX];
    struct status at[TRUST_CHAIN_MAX];
};

static const struct {
    int code;
    const char *reason;
} crl_errors[] = {
    {X509_V_ERR_UNABLE_TO_GET_CRL, "there is no CRL that covers it"},
    {X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, "the issuer of its CRL is not known"},
    {X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE, "the CRL's signature does not verify"},
    {X509_V_ERR_CRL_SIGNATURE_FAILURE, "the CRL's signature does not verify"},
    {X509_V_ERR_CRL_NOT_YET_VALID, "the CRL is not valid yet"},
    {X509_V_ERR_CRL_HAS_EXPIRED, "the CRL is out of date"},
    {X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD, "the CRL's times are malformed"},
    {X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD, "the CRL's times are malformed"},
    {X509_V_ERR_KEYUSAGE_NO_CRL_SIGN, "the key usage of the CRL's issuer does not allow CRLs"},
    {X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION,
     "the CRL has a critical extension that is not understood"},
    {X509_V_ERR_INVALID_EXTENSION, "the CRL has an extension that is malformed"},
    {X509_V_ERR_DIFFERENT_CRL_SCOPE, "the CRL is about other certificates"},
    {X509_V_ERR_CRL_PATH_VALIDATION_ERROR, "the CRL's issuer is not believed"},
};

static const char *crl_error_find(int code)
{
    for (size_t i = 0; i < sizeof crl_errors / sizeof *crl_errors; i++) {
        if (crl_errors[i].code == code) return crl_errors[i].reason;
    }
    return NULL;
}

static struct status revoked_status(X509_STORE_CTX *ctx)
{
    struct status s = {.state = REVOKE_REVOKED};
    X509_CRL *crl = X509_STORE_CTX_get0_current_crl(ctx);
    X509 *x = X509_STORE_CTX_get_current_cert(ctx);
    X509_REVOKED *entry = NULL;
    if (!crl || !x || !X509_CRL_get0_by_cert(crl, &entry, x) || !entry) return s;
    if (time_from_asn1(X509_REVOKED_get0_revocationDate(entry), &s.since) != ERR_OK) s.since = 0;
    ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);
    long r = reason ? ASN1_ENUMERATED_get(reason) : 0;
    ASN1_ENUMERATED_free(reason);
    s.reason = r > 0 ? (unsigned)r : 0;
    return s;
}

// A list out of date still says what was revoked; one of doubtful origin says nothing.
static bool still_speaks(const struct status *s)
{
    return !strcmp(s->why.text, crl_error_find(X509_V_ERR_CRL_HAS_EXPIRED));
}

static int look_note(int ok, X509_STORE_CTX *ctx)
{
    struct look *k = X509_STORE_CTX_get_app_data(ctx);
    int code = X509_STORE_CTX_get_error(ctx), depth = X509_STORE_CTX_get_error_depth(ctx);
    // Without our data it is the path of a CRL's issuer: its errors count.
    if (ok || !k || depth < 0 || depth >= TRUST_CHAIN_MAX) return ok;
    struct status *s = &k->at[depth];
    if (code == X509_V_ERR_CERT_REVOKED) {
        if (k->noted[depth] && !still_speaks(s)) return 1;
        *s = revoked_status(ctx);
        k->noted[depth] = true;
        return 1;
    }
    const char *reason = crl_error_find(code);
    if (!reason) return 0;
    if (!k->noted[depth]) IGNORE(why_not(&s->why, ERR_AUTH, "%s", reason)); // it is stored
    k->noted[depth] = true;
    return 1;
}

static bool same_path(const struct walk *w, X509_STORE_CTX *ctx)
{
    STACK_OF(X509) *found = X509_STORE_CTX_get0_chain(ctx);
    bool same = sk_X509_num(found) == (int)w->chain.n;
    for (unsigned i = 0; same && i < w->chain.n; i++) {
        same = sk_X509_value(found, (int)i) == cert_x509(w->chain.cert[i]);
    }
    return same;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// Until when the lists of this issuer say the same: one goes out of date, or comes into force.
static int64_t lists_until(const struct walk *w, STACK_OF(X509_CRL) * lists, const struct cert *c)
{
    int64_t until = INT64_MAX, from, next;
    bool dated = false;
    for (int i = 0; i < sk_X509_CRL_num(lists); i++) {
        X509_CRL *crl = sk_X509_CRL_value(lists, i);
        if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(cert_x509(c))) != 0)
            continue;
        bool begins = time_from_asn1(X509_CRL_get0_lastUpdate(crl), &from) == ERR_OK;
        if (begins && from > w->now) until = earlier(until, from);
        bool ends = time_from_asn1(X509_CRL_get0_nextUpdate(crl), &next) == ERR_OK;
        if (!ends || next < w->now) continue;
        until = earlier(until, next);
        dated = true;
    }
    return dated ? until : earlier(until, w->now + CRL_KEEP_S);
}

// When the last of this issuer's lists went out of date. false: none has.
static bool lists_ended(const struct walk *w, STACK_OF(X509_CRL) * lists, const struct cert *c,
                        int64_t *out)
{
    bool any = false;
    for (int i = 0; i < sk_X509_CRL_num(lists); i++) {
        X509_CRL *crl = sk_X509_CRL_value(lists, i);
        int64_t next;
        if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(cert_x509(c))) != 0 ||
            time_from_asn1(X509_CRL_get0_nextUpdate(crl), &next) != ERR_OK || next >= w->now)
            continue;
        if (!any || next > *out) *out = next;
        any = true;
    }
    return any;
}

// Signers of CRLs may stand beside the path.
static err_t helpers_add(struct probe *p, const struct walk *w)
{
    struct cert *c;
    for (unsigned i = 0; (c = walk_source(w, i)) != NULL; i++) {
        if (!sk_X509_push(p->helpers, cert_x509(c))) return ERR_NOMEM;
    }
    return ERR_OK;
}

static err_t look_run(struct look *k, struct probe *p, STACK_OF(X509_CRL) * lists)
{
    const struct walk *w = k->w;
    TRY(probe_open(p, w,
                   X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL |
                       X509_V_FLAG_EXTENDED_CRL_SUPPORT | X509_V_FLAG_USE_DELTAS));
    TRY(helpers_add(p, w));
    X509_STORE_CTX_set0_crls(p->ctx, lists);
    X509_STORE_CTX_set_app_data(p->ctx, k);
    X509_STORE_CTX_set_verify_cb(p->ctx, look_note);
    // It was valid without lists, so nothing but a list can stand against it now; if something
    // does, not knowing must not become believing.
    if (X509_verify_cert(p->ctx) != 1 || !same_path(w, p->ctx)) return ERR_CRYPTO;
    for (unsigned i = 0; i + 1 < w->chain.n; i++) {
        struct status *s = &k->at[i];
        s->stale = k->noted[i] && s->state == REVOKE_UNKNOWN && still_speaks(s) &&
                   lists_ended(w, lists, w->chain.cert[i], &s->until);
        if (s->stale) tell_crl(w, s);
        if (k->noted[i]) continue;
        k->at[i].state = REVOKE_GOOD;
        k->at[i].until = lists_until(w, lists, w->chain.cert[i]);
    }
    return ERR_OK;
}

static void look_at_nothing(struct look *k)
{
    for (unsigned i = 0; i + 1 < k->w->chain.n; i++) {
        k->at[i].no_lists = true;
        IGNORE(why_not(&k->at[i].why, ERR_AUTH, "%s",
                       crl_error_find(X509_V_ERR_UNABLE_TO_GET_CRL))); // it is stored
    }
}

// Fills in what is not known yet.
static err_t crl_look(const struct walk *w, struct status *at)
{
    STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
    struct look k = {.w = w};
    struct probe p = {0};
    if (!lists) return ERR_NOMEM;
    err_t e = walk_lists(w, lists);
    // Most have none: then there is nothing to validate once more.
    if (e == ERR_OK && sk_X509_CRL_num(lists) == 0) look_at_nothing(&k);
    if (e == ERR_OK && sk_X509_CRL_num(lists) > 0) e = look_run(&k, &p, lists);
    probe_done(&p);
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
    for (unsigned i = 0; e == ERR_OK && i + 1 < w->chain.n; i++) {
        // What a peer has chosen to show may be older than the list.
        if (at[i].sent && k.at[i].state == REVOKE_REVOKED) at[i] = k.at[i];
        if (at[i].state != REVOKE_UNKNOWN) continue;
        // That a server failed says more than what is missing without it.
        at[i].stale = k.at[i].stale;
        if (k.at[i].state != REVOKE_UNKNOWN || !at[i].failed) at[i] = k.at[i];
        if (at[i].state == REVOKE_GOOD) tell_crl(w, &at[i]);
    }
    return e;
}

// ---- fetching ----

// For who keeps lists. They are named after the key that has signed them: one without its name
// (rfc5280 5.2.1 MUST) is not kept.
static void crl_keep(const struct walk *w, const X509_CRL *crl)
{
    if (!w->t->keeper) return;
    AUTHORITY_KEYID *id = X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, NULL, NULL);
    bool delta = X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0;
    uint8_t *der = NULL;
    int len = id && id->keyid ? i2d_X509_CRL(crl, &der) : 0;
    if (len > 0) {
        span_t key = span(ASN1_STRING_get0_data(id->keyid), (size_t)ASN1_STRING_length(id->keyid));
        w->t->keeper(w->t->keeper_ctx, key, delta, span(der, (size_t)len));
    }
    OPENSSL_free(der);
    AUTHORITY_KEYID_free(id);
}

static err_t crl_take(const struct walk *w, const char *url, span_t bytes, struct why *why)
{
    X509_CRL *crl;
    TRY(crl_read(bytes, &crl, why));
    err_t e = ERR_AUTH;
    if (crl_is_known(w, crl)) {
        char name[CERT_NAME_MAX];
        tell_name(X509_CRL_get_issuer(crl), name);
        log_say(w->level, "cert", SAY_CRL_SIGNED, name);
        e = crl_cache_put(w->t->cache, url, crl, bytes.len, w->now);
        crl_keep(w, crl);
    } else {
        log_say(w->level, "cert", SAY_CRL_UNSIGNED);
        e = why_not(why, e, "the CRL from %.80s is signed by nobody we know", url);
    }
    X509_CRL_free(crl);
    return e;
}

// Leaves the list in the cache.
static bool crl_fetch(const struct walk *w, const char *url, struct why *why)
{
    struct fetched got = {0};
    struct fetch ask = {.url = url, .limit = FETCH_CRL_MAX};
    if (crl_cache_need(w->t->cache, url, w->now, why) == CRL_WAIT) return false;
    log_say(w->level, "cert", SAY_CRL_FETCH, url);
    err_t e = w->t->fetcher->get(w->t->fetcher->ctx, &ask, &got, why);
    if (e != ERR_OK) {
        log_say(w->level, "cert", SAY_FETCH_FAILED, why->text);
        log_say(w->level, "cert", SAY_CRL_FAILED);
    }
    if (e == ERR_OK) e = crl_take(w, url, span(got.at, got.len), why);
    fetched_done(&got);
    if (e != ERR_OK) crl_cache_fail(w->t->cache, url, w->now, why);
    return e == ERR_OK;
}

// Of each group one list.
static void crl_fetch_all(const struct walk *w, struct uris *u, struct why *why)
{
    for (unsigned i = 0; i < u->n; i++) {
        u->good[i] = i > 0 && u->group[i] == u->group[i - 1] && u->good[i - 1];
        if (u->good[i]) continue;
        u->good[i] = crl_cache_need(w->t->cache, u->at[i], w->now, why) == CRL_FRESH ||
                     crl_fetch(w, u->at[i], why);
    }
}

static void bases_fetch(const struct walk *w, struct status *at)
{
    for (unsigned i = 0; i + 1 < w->chain.n; i++) {
        struct uris u;
        struct why why = {""};
        if (at[i].state != REVOKE_UNKNOWN) continue;
        uris_of_crl(w, i, &u);
        crl_fetch_all(w, &u, &why);
        uris_done(&u);
        if (!why.text[0]) continue;
        at[i].why = why;
        at[i].failed = true;
    }
}

// Lists of what has changed since; without them the base is good enough (RFC 5280 5.2.4).
static err_t deltas_fetch(const struct walk *w, const struct status *at)
{
    STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
    err_t e = lists ? walk_lists(w, lists) : ERR_NOMEM;
    for (unsigned i = 0; e == ERR_OK && i + 1 < w->chain.n; i++) {
        struct uris u;
        struct why why = {""};
        if (at[i].state == REVOKE_REVOKED || at[i].online) continue;
        uris_of_delta(w, i, lists, &u);
        crl_fetch_all(w, &u, &why);
        uris_done(&u);
    }
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
    return e;
}

// before: what the cache's generation was when the lists were looked at. Another thread may have
// fetched meanwhile what we would have.
static err_t crl_fetch_more(const struct walk *w, struct status *at, uint64_t before)
{
    if (!w->t->fetcher || !w->t->cache || w->t->no_crl || w->terms->offline) return ERR_OK;
    bases_fetch(w, at);
    TRY(deltas_fetch(w, at));
    if (crl_cache_generation(w->t->cache) == before) return ERR_OK;
    for (unsigned i = 0; i + 1 < w->chain.n; i++) {
        if (!at[i].online) at[i].state = REVOKE_UNKNOWN;
    }
    return crl_look(w, at);
}

// ---- the verdict ----

static bool has_uri(const struct walk *w, unsigned depth)
{
    struct uris u;
    uris_of_crl(w, depth, &u);
    bool yes = u.n > 0;
    uris_done(&u);
    uris_of_ocsp(w, depth, &u);
    yes = yes || u.n > 0;
    uris_done(&u);
    return yes;
}

static err_t say_revoked(struct walk *w, unsigned depth, const struct status *s, struct why *why)
{
    char name[CERT_NAME_MAX], day[32] = "";
    struct tm tm;
    time_t t = (time_t)s->since;
    if (s->since && gmtime_r(&t, &tm)) (void)strftime(day, sizeof day, " on %Y-%m-%d", &tm);
    tell_revoked(w, s);
    w->chain.fault = TRUST_FAULT_REVOKED;
    return why_not(why, ERR_AUTH,
                   "certificate \"%s\" was revoked by its issuer%s; a new one is needed",
                   cert_name(w->chain.cert[depth], name), day);
}

static err_t unknown_judge(struct walk *w, unsigned depth, const struct status *s, struct why *why)
{
    char name[CERT_NAME_MAX];
    enum revocation rule = w->terms->revocation;
    const char *reason = s->why.text[0] ? s->why.text : "there is no CRL that covers it";
    bool uri = has_uri(w, depth);
    bool refuse = rule == REVOCATION_STRICT || (rule == REVOCATION_IFURI && uri);
    refuse = refuse && !w->terms->offline;
    if (uri || s->failed || !s->no_lists) w->chain.open = true;
    cert_name(w->chain.cert[depth], name);
    log_say(w->level, "cert", s->stale ? SAY_STATUS_STALE : SAY_STATUS_UNKNOWN);
    IGNORE(why_not(&w->chain.note, ERR_OK,
                   "whether certificate \"%.60s\" was revoked is unknown: %s", name,
                   reason)); // it is stored
    if (!refuse) return ERR_OK;
    w->chain.fault = TRUST_FAULT_STATUS;
    log_say(w->level, "cert", SAY_RULE_CRL,
            s->stale ? "STALE"
            : uri    ? "FAILED"
                     : "SKIPPED",
            rule == REVOCATION_STRICT ? "GOOD" : "SKIPPED");
    return why_not(why, ERR_AUTH,
                   "whether certificate \"%.60s\" was revoked is unknown, and "
                   "`revocation` is %s: %.120s",
                   name, rule == REVOCATION_STRICT ? "strict" : "ifuri", reason);
}

// A server that fails now may say something the next time.
static void ask_all(struct walk *w, struct status *at)
{
    for (unsigned i = 0; i + 1 < w->chain.n; i++) {
        char name[CERT_NAME_MAX];
        log_say(w->level, "cert", SAY_STATUS_CHECK, cert_name(w->chain.cert[i], name));
        ocsp_check(w, i, &at[i]);
        at[i].online = at[i].state != REVOKE_UNKNOWN;
        at[i].failed = at[i].why.text[0] != 0;
        if (at[i].failed) w->chain.open = true;
    }
}

err_t revoke_check(struct walk *w, struct why *why)
{
    struct status at[TRUST_CHAIN_MAX] = {0};
    if (w->terms->revocation == REVOCATION_OFF || w->chain.n < 2) return ERR_OK;
    ask_all(w, at);
    uint64_t before = w->t->cache ? crl_cache_generation(w->t->cache) : 0;
    TRY(crl_look(w, at));
    for (unsigned i = 0; i + 1 < w->chain.n; i++) {
        if (at[i].state == REVOKE_GOOD && !at[i].online) log_say(w->level, "cert", SAY_CRL_CACHED);
    }
    TRY(crl_fetch_more(w, at, before));
    for (unsigned i = 0; i + 1 < w->chain.n; i++) {
        if (at[i].state == REVOKE_REVOKED) return say_revoked(w, i, &at[i], why);
    }
    for (unsigned i = 0; i + 1 < w->chain.n; i++) {
        if (at[i].state == REVOKE_UNKNOWN) TRY(unknown_judge(w, i, &at[i], why));
        if (at[i].state == REVOKE_GOOD) log_say(w->level, "cert", SAY_STATUS_GOOD);
        if (at[i].state == REVOKE_GOOD && at[i].until < w->chain.good_until)
            w->chain.good_until = at[i].until;
    }
    return ERR_OK;
}
