#include "ike/auth/peer_dns.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/words.h"
#include "cred/rdata.h"

// An answer that was asked for, and why nothing in it did.
struct look {
    struct peer_work *p;
    const struct dnssec_source *source;
    struct cert *shown;
    char name[DNSSEC_NAME_MAX + 1];
    struct why why;
};

// ---- whether to ask ----------------------------------------------------------------------------

static bool names_nobody(const struct conf_side *side)
{
    const struct side_creds *sc = side->creds;
    return !side->ca_id_given && !(sc && (sc->certs || sc->cacerts || sc->pubkeys));
}

static bool is_signature(const struct peer_work *p)
{
    struct scheme s;
    return p->method == AUTH_SIGNATURE || scheme_from_method(p->method, &s) == ERR_OK;
}

// A certificate that was revoked, or that is somebody else's, does not get better by DNS.
static bool may_help(const struct peer_work *p, const struct cert *shown)
{
    if (!shown) return !p->again;
    return p->distrusted && (p->fault == TRUST_FAULT_NO_ISSUER || p->fault == TRUST_FAULT_ROOT);
}

static bool look_init(struct look *l, struct peer_work *p, struct cert *shown)
{
    const struct trust *t = p->conn->conf.creds ? p->conn->conf.creds->trust : NULL;
    *l = (struct look){.p = p, .source = t ? trust_dnssec(t) : NULL, .shown = shown};
    if (!l->source || !names_nobody(p->side) || !may_help(p, shown)) return false;
    if (!p->again && !is_signature(p)) return false;
    if (p->id.type != ID_FQDN || p->id.len > DNSSEC_NAME_MAX) return false;
    memcpy(l->name, p->id.data, p->id.len);
    return dnssec_can_ask(l->name);
}

static err_t look_ask(struct look *l, uint16_t type, struct dnssec_answer *out)
{
    const char *kind = type == RDATA_CERT ? "CERT" : "IPSECKEY";
    log_say(l->p->level, "cert", SAY_DNS_ASK, kind, l->name);
    l->why.text[0] = '\0';
    err_t err = l->source->ask(l->source->ctx, l->name, type, out, &l->why);
    if (err == ERR_OK) return err;
    if (!l->why.text[0]) IGNORE(why_not(&l->why, err, "%s", err_text(err)));
    log_say(l->p->level, "cert", "no %s records of %.200s are taken: %s", kind, l->name,
            l->why.text);
    return err;
}

static void pass_over(const struct look *l, const char *kind, err_t err, const struct why *why)
{
    log_say(l->p->level, "cert", "an %s record of %.200s is passed over: %s", kind, l->name,
            why->text[0] ? why->text : err_text(err));
}

// ---- keys --------------------------------------------------------------------------------------

static err_t key_check(struct look *l, const struct ipseckey *k)
{
    struct pubkey *key = NULL;
    struct peer_work *p = l->p;
    err_t err = ipseckey_pubkey(k, &key, &l->why);
    if (err == ERR_OK) err = peer_work_signature(p, key, &l->why);
    if (err == ERR_OK) err = trust_verify_key(key, &key, 1, &p->side->ike_rules.rules, &l->why);
    if (err == ERR_OK) {
        char text[PUBKEY_TEXT_MAX];
        log_say(p->level, "cert", "DNSSEC has proved the public key (%s) of %.200s",
                pubkey_show(key, text), l->name);
        p->key_is_right = true;
        peer_work_say_how(p);
    }
    pubkey_free(key);
    return err;
}

// rfc4025 2.2: those with lower precedence are tried first
static unsigned keys_sort(const struct look *l, const struct dnssec_answer *a,
                          struct ipseckey out[DNSSEC_RRS_MAX])
{
    unsigned n = 0;
    for (unsigned i = 0; i < a->n; i++) {
        struct ipseckey k;
        unsigned at = n;
        err_t err = ipseckey_read(span(a->rr[i].at, a->rr[i].len), &k);
        if (err != ERR_OK) {
            pass_over(l, "IPSECKEY", err, &(struct why){""});
            continue;
        }
        for (; at && out[at - 1].precedence > k.precedence; at--) out[at] = out[at - 1];
        out[at] = k;
        n++;
    }
    return n;
}

// Only certificates can be said to be in a group, or issued by a policy, and only they are asked
// about again.
static bool may_be_key(const struct look *l)
{
    const struct conf_side *side = l->p->side;
    return l->source->ipseckey && !side->group_n && !side->policy_n && !l->p->again;
}

static err_t keys_look(struct look *l)
{
    struct dnssec_answer a = {0};
    struct ipseckey keys[DNSSEC_RRS_MAX];
    if (!may_be_key(l)) return ERR_NOTFOUND;
    TRY(look_ask(l, RDATA_IPSECKEY, &a));
    err_t err = ERR_NOTFOUND;
    unsigned n = keys_sort(l, &a, keys);
    for (unsigned i = 0; i < n && err != ERR_OK; i++) {
        l->why.text[0] = '\0';
        err = key_check(l, &keys[i]);
        if (err != ERR_OK) pass_over(l, "IPSECKEY", err, &l->why);
    }
    dnssec_answer_done(&a);
    return err;
}

// ---- certificates ------------------------------------------------------------------------------

static err_t cert_judge(struct look *l, struct cert *c)
{
    struct peer_work *p = l->p;
    char name[CERT_NAME_MAX];
    if (l->shown && !cert_eq(l->shown, c))
        return why_not(&l->why, ERR_AUTH, "it is not the certificate that was sent");
    p->why.text[0] = '\0';
    err_t err = peer_work_proven(p, c);
    l->why = p->why;
    if (err == ERR_OK)
        log_say(p->level, "cert", "DNSSEC has proved the certificate \"%s\" of %.200s",
                cert_name(c, name), l->name);
    return err;
}

static err_t cert_check(struct look *l, span_t rdata)
{
    struct cert_rr rr;
    struct cert *c = NULL;
    TRY(cert_rr_read(rdata, &rr));
    if (rr.type != CERT_RR_PKIX)
        return why_not(&l->why, ERR_UNSUPPORTED, "it holds no X.509 certificate (type %u)",
                       rr.type);
    TRY(cert_read(rr.data, &c, &l->why));
    err_t err = cert_judge(l, c);
    cert_free(c);
    return err;
}

static err_t certs_look(struct look *l)
{
    struct dnssec_answer a = {0};
    if (!l->source->cert) return ERR_NOTFOUND;
    TRY(look_ask(l, RDATA_CERT, &a));
    err_t err = ERR_NOTFOUND;
    for (unsigned i = 0; i < a.n && err != ERR_OK; i++) {
        l->why.text[0] = '\0';
        err = cert_check(l, span(a.rr[i].at, a.rr[i].len));
        if (err != ERR_OK) pass_over(l, "CERT", err, &l->why);
    }
    dnssec_answer_done(&a);
    return err;
}

// ---- both --------------------------------------------------------------------------------------

static void proven(struct peer_work *p)
{
    p->err = ERR_OK;
    p->why.text[0] = '\0';
    p->distrusted = false;
    p->early_s = 0;
}

void peer_dns_judge(struct peer_work *p, struct cert *shown)
{
    struct look l;
    const struct why before = p->why;
    const bool distrusted = p->distrusted;
    const enum trust_fault fault = p->fault;
    if (!look_init(&l, p, shown)) return;
    if (keys_look(&l) == ERR_OK || certs_look(&l) == ERR_OK) {
        proven(p);
        return;
    }
    p->distrusted = distrusted;
    p->fault = fault;
    p->err = ERR_AUTH;
    p->why = before;
    if (!l.why.text[0]) return;
    const char *first = before.text[0] ? before.text : "nothing at hand proves it";
    IGNORE(why_not(&p->why, ERR_AUTH, "%.140s; nor does DNS prove it: %.90s", first,
                   l.why.text)); // the verdict stands
}
