// groups.c - is the peer in one of the groups that its connection asks for? That is what attribute
// certificates say (RFC 5755 5), its own or those at hand, if whoever issued them may say it.
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "base/words.h"
#include "cred/trustx.h"

#define GROUPS_TEXT_MAX 120

static const char *groups_show(const struct trust_terms *t, char buf[GROUPS_TEXT_MAX])
{
    struct clip l = clip_on(buf, GROUPS_TEXT_MAX);
    for (unsigned i = 0; i < t->n_groups; i++) clip_add(&l, "%s%s", i ? ", " : "", t->groups[i]);
    return buf;
}

static bool has_one_of(const struct acert *a, const struct trust_terms *t)
{
    for (unsigned i = 0; i < t->n_groups; i++) {
        if (acert_has_group(a, t->groups[i])) return true;
    }
    return false;
}

// ---- who says so -------------------------------------------------------------------------------

// Only who was named as an attribute authority by the user, and stands below an authority of ours
// (rfc5755 5, items 1 to 3).
static struct cert *issuer_find(struct walk *w, const struct acert *a, struct scheme *scheme)
{
    for (unsigned i = 0; i < w->t->aas.n; i++) {
        struct cert *c = w->t->aas.at[i];
        if (w->tries == 0) return NULL;
        if (acert_is_issued_by(a, c, scheme)) return c;
        w->tries--;
    }
    return NULL;
}

static err_t issuer_judge(struct walk *w, struct cert *issuer, const struct scheme *scheme,
                          struct why *why)
{
    struct why rule = {"it is signed with an algorithm that is not supported"};
    struct trust_terms terms = {.rules = w->terms->rules,
                                .revocation = w->terms->revocation,
                                .tries = &w->tries,
                                .quiet = w->terms->quiet,
                                .offline = w->terms->offline};
    struct trust_chain path = {0};
    // One that signs itself stands there because the user has put it there.
    terms.certs = &issuer;
    terms.n_certs = cert_is_self_signed(issuer) ? 1 : 0;
    if (rules_key(&w->terms->rules, cert_pubkey(issuer), &rule) != ERR_OK ||
        rules_scheme(&w->terms->rules, scheme, &rule) != ERR_OK)
        return why_not(why, ERR_AUTH, "it is not accepted: %s", rule.text);
    TRY(trust_verify(w->t, &issuer, 1, &terms, w->now, &path, why));
    if (path.good_until < w->chain.good_until) w->chain.good_until = path.good_until;
    w->chain.open = w->chain.open || path.open;
    if (!w->chain.note.text[0]) w->chain.note = path.note;
    trust_chain_done(&path);
    return ERR_OK;
}

// ---- has it been taken back? -------------------------------------------------------------------

// Its issuer's lists at hand, if it makes any: fetched are those of public-key certificates only.
static err_t lists_look(const struct walk *w, const struct acert *a, const struct cert *issuer,
                        struct status *out)
{
    STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
    span_t n = acert_serial(a);
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    err_t e = lists && serial && ASN1_STRING_set(serial, n.at, (int)n.len) ? ERR_OK : ERR_NOMEM;
    if (e == ERR_OK) e = lists_of_issuer(w, issuer, lists);
    for (int i = 0; e == ERR_OK && i < sk_X509_CRL_num(lists); i++) {
        X509_CRL *crl = sk_X509_CRL_value(lists, i);
        X509_REVOKED *entry = NULL;
        int64_t next;
        if (X509_CRL_get0_by_serial(crl, &entry, serial) == 1) out->state = REVOKE_REVOKED;
        bool fresh =
            time_from_asn1(X509_CRL_get0_nextUpdate(crl), &next) == ERR_OK && next >= w->now;
        if (out->state == REVOKE_UNKNOWN && fresh) {
            out->state = REVOKE_GOOD;
            out->until = next;
        }
    }
    ASN1_INTEGER_free(serial);
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
    ERR_clear_error();
    return e;
}

static err_t revocation_judge(struct walk *w, const struct acert *a, const struct cert *issuer,
                              struct why *why)
{
    struct status s = {0};
    enum revocation rule = w->terms->revocation;
    TRY(lists_look(w, a, issuer, &s));
    if (s.state == REVOKE_REVOKED) return why_not(why, ERR_AUTH, "it was revoked by its issuer");
    if (s.state == REVOKE_GOOD && s.until < w->chain.good_until) w->chain.good_until = s.until;
    // rfc5755 6: who promises not to take it back makes no list
    if (s.state == REVOKE_GOOD || acert_is_final(a) || w->terms->offline) return ERR_OK;
    bool refuse = rule == REVOCATION_STRICT || (rule == REVOCATION_IFURI && acert_has_list(a));
    if (!refuse) return ERR_OK;
    return why_not(why, ERR_AUTH,
                   "whether it was revoked is unknown, and `revocation` is %s: put its issuer's "
                   "list into x509crl, or have it issued with noRevAvail",
                   rule == REVOCATION_STRICT ? "strict" : "ifuri");
}

// ---- one of them -------------------------------------------------------------------------------

static err_t acert_judge(struct walk *w, const struct acert *a, struct why *why)
{
    struct scheme scheme = {0};
    // rfc5755 5, items 4 to 6
    if (acert_critical(a))
        return why_not(why, ERR_AUTH, "its critical extension %s is not understood",
                       acert_critical(a));
    if (w->now < acert_not_before(a)) return why_not(why, ERR_AUTH, "it is not valid yet");
    if (w->now > acert_not_after(a)) return why_not(why, ERR_AUTH, "it has expired");
    if (!has_one_of(a, w->terms)) return why_not(why, ERR_AUTH, "it names other groups");
    struct cert *issuer = issuer_find(w, a, &scheme);
    if (!issuer)
        return why_not(why, ERR_AUTH, "no attribute authority of ours (x509aa) has signed it");
    TRY(issuer_judge(w, issuer, &scheme, why));
    return revocation_judge(w, a, issuer, why);
}

// Those that the peer has sent, then those at hand. NULL behind the last.
static struct acert *acert_at(const struct walk *w, unsigned i)
{
    unsigned sent = w->terms->n_acerts;
    if (sent > TRUST_ACERTS_MAX) sent = TRUST_ACERTS_MAX;
    if (i < sent) return w->terms->acerts[i];
    return i - sent < w->t->n_acerts ? w->t->acerts[i - sent] : NULL;
}

err_t groups_check(struct walk *w, struct why *why)
{
    char name[CERT_NAME_MAX], groups[GROUPS_TEXT_MAX], one[ACERT_NAME_MAX] = "";
    struct why reason = {""};
    const struct acert *a;
    if (w->terms->n_groups == 0) return ERR_OK;
    for (unsigned i = 0; (a = acert_at(w, i)) != NULL; i++) {
        struct why because = {""};
        if (!acert_is_of(a, w->peer[0])) continue;
        err_t e = acert_judge(w, a, &because);
        if (e == ERR_NOMEM) return e;
        if (e == ERR_OK) {
            if (acert_not_after(a) < w->chain.good_until) w->chain.good_until = acert_not_after(a);
            log_say(w->level, "cert", SAY_ACERT, acert_name(a, one));
            return ERR_OK;
        }
        reason = because;
        acert_name(a, one);
    }
    groups_show(w->terms, groups);
    log_say(w->level, "cert", SAY_GROUPS, groups);
    cert_name(w->peer[0], name);
    if (!one[0]) {
        return why_not(why, ERR_AUTH,
                       "there is no attribute certificate for \"%.80s\", and `groups` asks for one "
                       "that says %s; put it into x509ac, here or at the peer",
                       name, groups);
    }
    return why_not(why, ERR_AUTH,
                   "\"%.60s\" is not known to be in the groups that are asked for (%.40s): "
                   "attribute certificate %.70s: %.90s",
                   name, groups, one, reason.text);
}
