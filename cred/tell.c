// tell.c - what a verification has found, in the log's words.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/words.h"
#include "cred/trustx.h"

static const char *time_text(int64_t s, char buf[40])
{
    struct tm tm;
    time_t t = (time_t)s;
    (void)snprintf(buf, 40, "--- -- --:--:-- UTC ----");
    if (gmtime_r(&t, &tm)) (void)strftime(buf, 40, "%b %d %H:%M:%S UTC %Y", &tm);
    return buf;
}

// Named by the user, and not only shown by the peer?
static bool is_ours(const struct walk *w, const struct cert *c)
{
    bool named = trust_has(&w->t->cas, c);
    for (unsigned i = 0; i < w->terms->n_cacerts && !named; i++)
        named = cert_eq(w->terms->cacerts[i], c);
    return named;
}

void tell_path(const struct walk *w)
{
    char name[CERT_NAME_MAX];
    if (w->terms->revocation == REVOCATION_OFF) return; // our own: nobody asks
    unsigned last = w->chain.n - 1;
    for (unsigned i = 0; i <= last; i++) {
        cert_name(w->chain.cert[i], name);
        if (i == 0 && last == 0) log_say(w->level, "cert", SAY_CERT_KNOWN, name);
        if (i == 0 && last > 0) log_say(w->level, "cert", SAY_CERT, name);
        if (i > 0 && i < last)
            log_say(w->level, "cert", is_ours(w, w->chain.cert[i]) ? SAY_CA_KNOWN : SAY_CA_BETWEEN,
                    name);
        if (i > 0 && i == last) log_say(w->level, "cert", SAY_CA, name);
    }
    if (last > 0) log_say(w->level, "cert", SAY_PATH, last - 1);
}

void tell_revoked(const struct walk *w, const struct status *s)
{
    static const char *const reasons[] = {
        "unspecified",         "key compromise", "CA compromise",
        "affiliation changed", "superseded",     "cessation of operation",
        "certificate hold",    "reason #7",      "remove from crl"};
    char when[40];
    unsigned known = sizeof reasons / sizeof *reasons;
    log_say(w->level, "cert", SAY_REVOKED, time_text(s->since, when),
            s->reason < known ? reasons[s->reason] : reasons[0]);
}

void tell_crl(const struct walk *w, const struct status *s)
{
    char when[40];
    time_text(s->until, when);
    if (s->until < w->now) log_say(w->level, "cert", SAY_CRL_STALE, when);
    if (s->until >= w->now) log_say(w->level, "cert", SAY_CRL_VALID, when);
}

void tell_ocsp(const struct walk *w, const struct status *s)
{
    char when[40];
    log_say(w->level, "cert", SAY_OCSP_VALID, time_text(s->until, when));
}

void tell_ocsp_stale(const struct walk *w, int64_t since)
{
    char when[40];
    log_say(w->level, "cert", SAY_OCSP_STALE, time_text(since, when));
}

void tell_times(const struct walk *w, const struct cert *c)
{
    char from[40], to[40];
    log_say(w->level, "cert", SAY_TIMES_BAD, cert_eq(c, w->peer[0]) ? "subject" : "issuer",
            time_text(cert_not_before(c), from), time_text(cert_not_after(c), to));
}

void tell_no_issuer(const struct walk *w, const struct cert *c)
{
    char name[CERT_NAME_MAX], issuer[CERT_NAME_MAX];
    cert_name(c, name);
    if (cert_is_self_signed(c)) {
        log_say(w->level, "cert", SAY_ROOT_UNKNOWN, name);
        return;
    }
    tell_name(X509_get_issuer_name(cert_x509(c)), issuer);
    log_say(w->level, "cert", SAY_NO_ISSUER, name);
    log_say(w->level, "cert", SAY_ISSUER_IS, issuer);
}

void tell_name(const X509_NAME *n, char out[CERT_NAME_MAX])
{
    unsigned char *der = NULL;
    int len = i2d_X509_NAME(n, &der);
    struct id id = {.type = ID_DER_ASN1_DN};
    char text[ID_TEXT_MAX] = "";
    if (len > 0 && (size_t)len <= sizeof id.data) {
        memcpy(id.data, der, (size_t)len);
        id.len = (uint16_t)len;
        id_show(&id, text);
    }
    OPENSSL_free(der);
    (void)snprintf(out, CERT_NAME_MAX, "%.*s", CERT_NAME_MAX - 1, text);
}
