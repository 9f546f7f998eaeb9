// refusal.c - why OpenSSL does not believe a path, as a sentence: which certificate, which rule of
// RFC 5280, and what to do about it.
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "base/words.h"
#include "cred/pkey.h"
#include "cred/trustx.h"

static const char *day_show(int64_t at, char buf[32])
{
    struct tm tm;
    time_t t = (time_t)at;
    if (!gmtime_r(&t, &tm) || !strftime(buf, 32, "%Y-%m-%d %H:%M:%S UTC", &tm)) buf[0] = 0;
    return buf;
}

static err_t say_time(int code, const struct cert *c, const struct walk *w, struct why *why)
{
    char name[CERT_NAME_MAX], end[32], now[32];
    bool young = code == X509_V_ERR_CERT_NOT_YET_VALID;
    tell_times(w, c);
    return why_not(why, ERR_AUTH, "certificate \"%s\" %s %s, and the clock says %s; %s",
                   cert_name(c, name), young ? "is not valid before" : "expired at",
                   day_show(young ? cert_not_before(c) : cert_not_after(c), end),
                   day_show(w->now, now), young ? "set the clock, or wait" : "have it renewed");
}

static const struct {
    int code;
    const char *rule; // after: certificate "..."
} rules[] = {
    {X509_V_ERR_CERT_SIGNATURE_FAILURE,
     "has a signature that does not verify with its issuer's key"},
    {X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE,
     "has a signature that does not verify with its issuer's key"},
    {X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, "was signed with a key that cannot be read"},
    {X509_V_ERR_INVALID_CA,
     "signed another one, and its basic constraints do not say that it is an authority; the CA "
     "must issue it anew with CA:TRUE"},
    {X509_V_ERR_INVALID_NON_CA, "is an authority's, and none is wanted here"},
    {X509_V_ERR_PATH_LENGTH_EXCEEDED,
     "allows fewer authorities below it (path length) than there are; a shorter chain is needed"},
    {X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED, "allows fewer certificates below it than there are"},
    {X509_V_ERR_PROXY_CERTIFICATES_NOT_ALLOWED, "is a proxy certificate, which IKE has no use for"},
    {X509_V_ERR_KEYUSAGE_NO_CERTSIGN,
     "signed another one, and its key usage does not allow that (keyCertSign is missing)"},
    {X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION,
     "has a critical extension that is not understood; the CA must issue it without"},
    {X509_V_ERR_INVALID_EXTENSION, "has an extension that is malformed"},
    {X509_V_ERR_PERMITTED_VIOLATION,
     "has a name that the name constraints of an authority above it do not permit"},
    {X509_V_ERR_EXCLUDED_VIOLATION,
     "has a name that the name constraints of an authority above it exclude"},
    {X509_V_ERR_SUBTREE_MINMAX, "has name constraints with a minimum or maximum, which RFC 5280 "
                                "forbids"},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE,
     "is under name constraints of a kind that is not supported"},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, "is under name constraints that are malformed"},
    {X509_V_ERR_UNSUPPORTED_NAME_SYNTAX, "has a name that name constraints cannot be held against"},
    {X509_V_ERR_INVALID_POLICY_EXTENSION, "has a policy extension that is malformed"},
    {X509_V_ERR_NO_EXPLICIT_POLICY,
     "is not good for a policy that is asked for (by `cert_policy`, or by an authority's policy "
     "constraints); have one issued under it"},
    {X509_V_ERR_UNNESTED_RESOURCE,
     "and another one of its path have IP address blocks (RFC 3779) that do not nest; the CA must "
     "issue them anew"},
    {X509_V_ERR_CERT_CHAIN_TOO_LONG, "stands at the end of a chain that is too long"},
    {X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD, "has a time of validity that is malformed"},
    {X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD, "has a time of validity that is malformed"},
    {X509_V_ERR_CERT_REJECTED, "is marked as not to be trusted"},
    {X509_V_ERR_CERT_UNTRUSTED, "is not marked as trusted for this"},
};

static const char *rule_find(int code)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (rules[i].code == code) return rules[i].rule;
    }
    return NULL;
}

static bool is_malformed(const struct cert *c)
{
    return (X509_get_extension_flags(cert_x509(c)) & EXFLAG_INVALID) != 0;
}

// Its issuer is at hand, and the signature is good, but something else stands against it.
static err_t say_issuer_unfit(const struct cert *c, const struct walk *w, struct why *why)
{
    char name[CERT_NAME_MAX], other[CERT_NAME_MAX];
    for (unsigned i = 0; i < w->n_reached; i++) {
        const struct cert *issuer = w->reached[i];
        if (!cert_is_issued_by(c, issuer) &&
            X509_verify(cert_x509(c), pubkey_pkey(cert_pubkey(issuer))) == 1) {
            int code = X509_check_issued(cert_x509(issuer), cert_x509(c));
            if (is_malformed(c) || is_malformed(issuer)) {
                return refusal_say(X509_V_ERR_INVALID_EXTENSION, is_malformed(c) ? c : issuer, w,
                                   why);
            }
            const char *rule = rule_find(code);
            if (rule)
                return why_not(why, ERR_AUTH, "certificate \"%s\" %s", cert_name(issuer, name),
                               rule);
            return why_not(
                why, ERR_AUTH,
                "certificate \"%s\" was signed with the key of \"%s\", but names another "
                "authority key identifier",
                cert_name(c, name), cert_name(issuer, other));
        }
    }
    return ERR_OK;
}

// One that it has itself signed, directly or not, has signed it.
static err_t say_circle(const struct cert *c, const struct walk *w, struct why *why)
{
    char name[CERT_NAME_MAX], other[CERT_NAME_MAX];
    for (unsigned i = 0; i < w->n_reached; i++) {
        const struct cert *issuer = w->reached[i];
        if (issuer == c || !cert_is_issued_by(c, issuer)) continue;
        log_say(w->level, "cert", SAY_PATH_LONG, (unsigned)TRUST_CHAIN_MAX - 1);
        return why_not(why, ERR_AUTH,
                       "certificate \"%s\" is signed by \"%s\", which it stands above: authorities "
                       "in a circle",
                       cert_name(c, name), cert_name(issuer, other));
    }
    return ERR_OK;
}

// Nobody signed it whom we know, or nobody whom we believe.
static err_t say_issuer(const struct cert *c, const struct walk *w, struct why *why)
{
    char name[CERT_NAME_MAX], other[CERT_NAME_MAX];
    TRY(say_issuer_unfit(c, w, why));
    TRY(say_circle(c, w, why));
    tell_no_issuer(w, c);
    if (w->miss_child) {
        return why_not(why, ERR_AUTH,
                       "the signature of certificate \"%s\" does not verify with the key of \"%s\"",
                       cert_name(w->miss_child, name), cert_name(w->miss_issuer, other));
    }
    if (cert_is_self_signed(c)) {
        return why_not(why, ERR_AUTH,
                       "certificate \"%s\" signs itself and is not one of ours to believe; put it "
                       "into x509ca%s if it shall be",
                       cert_name(c, name), w->terms->n_cacerts ? " and name it in `cacerts`" : "");
    }
    return why_not(why, ERR_AUTH,
                   "no authority that %s has signed certificate \"%s\"; the CA's certificate "
                   "belongs into x509ca",
                   w->terms->n_cacerts ? "`cacerts` names" : "we trust", cert_name(c, name));
}

// What people look for in the log.
static void tell_known(int code, const struct cert *c, const struct walk *w)
{
    char oid[CERT_OID_MAX];
    if (code == X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION && cert_critical(c, oid)) {
        log_say(w->level, "cert", SAY_CRITICAL, oid);
    }
    if (code == X509_V_ERR_PATH_LENGTH_EXCEEDED) {
        long allowed = X509_get_pathlen(cert_x509(c));
        log_say(w->level, "cert", SAY_PATH_LEN, (long)w->depth - 1, allowed);
    }
    if (code == X509_V_ERR_NO_EXPLICIT_POLICY && w->terms->n_policies > 0) {
        log_say(w->level, "cert", SAY_POLICY_LACKS, w->terms->policies[0]);
    }
    if (code == X509_V_ERR_CERT_CHAIN_TOO_LONG) {
        log_say(w->level, "cert", SAY_PATH_LONG, (unsigned)TRUST_CHAIN_MAX - 1);
    }
}

err_t refusal_say(int code, const struct cert *c, const struct walk *w, struct why *why)
{
    char name[CERT_NAME_MAX];
    switch (code) {
    case X509_V_ERR_OUT_OF_MEM:
        return ERR_NOMEM;
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return say_time(code, c, w, why);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return say_issuer(c, w, why);
    case X509_V_ERR_INVALID_CA: // OpenSSL means either of two things by it
        if (cert_is_ca(c)) code = X509_V_ERR_KEYUSAGE_NO_CERTSIGN;
        break;
    default:
        break;
    }
    const char *rule = rule_find(code);
    tell_known(code, c, w);
    cert_name(c, name);
    if (rule) return why_not(why, ERR_AUTH, "certificate \"%s\" %s", name, rule);
    return why_not(why, ERR_AUTH, "certificate \"%s\" was not accepted: %s", name,
                   X509_verify_cert_error_string(code));
}
