#include "ike/auth/peer.h"

#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "ike/auth/octets.h"
#include "ike/auth/peer_work.h"
#include "ike/auth/recheck.h"
#include "ike/auth/round.h"
#include "ike/exchange/message.h"
#include "ike/exchange/terms_blocks.h"
#include "ike/sa/diplomat.h"

// What a peer can make us keep of its certificates while they wait: chains of real authorities have
// some 10 kB.
#define PEER_CERTS_BYTES_MAX (48UL * 1024UL)
#define LINES_PER_WORK 12  // of the log, about a chain and whether it was revoked
#define AUTHORITIES_MAX 32 // in one CERTREQ: IKE_SA_INIT, where it may stand, cannot be fragmented

// ---- the work is written -----------------------------------------------------------------------

// By default not: a stranger says where we shall go.
static bool looks_up(const struct ike *ike)
{
    return ike->opt.hash_and_url;
}

static bool is_of_use(struct peer_work *p, const struct certp *c)
{
    bool named = c->encoding == CERT_HASH_URL || c->encoding == CERT_HASH_URL_BUNDLE;
    if (named && p->looks_up && p->url_n < PEER_URLS_MAX) {
        p->url_n++;
        return true;
    }
    if (c->encoding == CERT_OCSP && p->takes_ocsp && p->answer_n < TRUST_ANSWERS_MAX) {
        p->answer_n++;
        return true;
    }
    if (c->encoding == CERT_ATTRIBUTE && p->side->group_n && p->groups_n < TRUST_ACERTS_MAX) {
        p->groups_n++;
        return true;
    }
    return c->encoding == CERT_X509 || c->encoding == CERT_RAW_KEY;
}

static bool asks_ocsp(const struct conf_conn *conf)
{
    bool may = conf->ocsp == CONF_OCSP_REQUEST || conf->ocsp == CONF_OCSP_BOTH;
    return may && conf->creds && conf->creds->trust && trust_asks_ocsp(conf->creds->trust);
}

static err_t certs_copy(struct peer_work *p, const struct msg *in)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < in->n && p->cert_n < TRUST_PEER_CERTS_MAX; i++) {
        struct certp c;
        if (in->payload[i].type != PAYLOAD_CERT) continue;
        TRY(certp_read(in->payload[i].body, &c));
        if (!is_of_use(p, &c)) continue;
        bytes += c.data.len;
        if (bytes > PEER_CERTS_BYTES_MAX) return ERR_LIMIT;
        p->cert[p->cert_n].encoding = c.encoding;
        TRY(blob_set(&p->cert[p->cert_n].data, c.data));
        p->cert_n++;
    }
    return ERR_OK;
}

static err_t work_fill(struct peer_work *p, struct ike_sa *sa, const struct peer_claim *c)
{
    uint8_t between[INTAUTH_MAX];
    struct octets octets;
    p->conn = conn_get(sa->conn);
    p->side = round_theirs(sa);
    p->id = *c->id;
    p->method = c->auth.method;
    p->looks_up = looks_up(sa->ike);
    p->takes_ocsp = asks_ocsp(&sa->conn->conf);
    p->tries = TRUST_TRIES_MAX - sa->opening->tries_used;
    p->level = tell_level(sa, LOG_STORY, LINES_PER_WORK);
    p->offline = recheck_is_due(sa);
    p->now_s = sa->ike->env.wall(sa->ike->env.ctx);
    TRY(blob_set(&p->auth, c->auth.data));
    TRY(octets_of(sa, !sa->initiator, c->id_body, between, &octets));
    TRY(octets_copy(&octets, &p->octets));
    return certs_copy(p, c->in);
}

static enum alert alert_of(enum trust_fault fault)
{
    switch (fault) {
    case TRUST_FAULT_EXPIRED:
        return ALERT_CERT_EXPIRED;
    case TRUST_FAULT_REVOKED:
        return ALERT_CERT_REVOKED;
    case TRUST_FAULT_STATUS:
        return ALERT_CERT_VALIDATION_FAILED;
    case TRUST_FAULT_NO_ISSUER:
        return ALERT_CERT_NO_ISSUER;
    case TRUST_FAULT_ROOT:
        return ALERT_CERT_UNTRUSTED_ROOT;
    case TRUST_FAULT_PATH_LEN:
        return ALERT_CERT_EXCEEDED_PATH_LEN;
    case TRUST_FAULT_POLICY:
        break;
    }
    return ALERT_CERT_POLICY_VIOLATION;
}

// What `pavise status` says about clocks.
static void note_clock(struct ike *ike, const struct peer_work *p)
{
    struct ike_clock *c = &ike->clock;
    if (p->early_s) *c = (struct ike_clock){p->id, p->early_s, ike_now(ike)};
    if (p->err == ERR_OK && id_eq(&c->peer, &p->id)) *c = (struct ike_clock){0};
}

err_t peer_judged(struct peer_work *p, struct ike_sa *sa)
{
    sa->cert_from = p->from;
    sa->cert_until = p->until;
    note_clock(sa->ike, p);
    bool news = p->judged && note_is_news(&sa->ike->notes, p->who, p->note.text);
    if (news) tell(sa->ike, sa, LOG_WARN, "%s", p->note.text);
    if (p->distrusted) tell_alert(sa->ike, sa, alert_of(p->fault));
    if (p->err == ERR_OK) p->err = terms_blocks_take(sa, p->blocks);
    if (p->err == ERR_OK && p->offline) p->err = recheck_keep(sa, p);
    return p->err;
}

static void work_done(struct ike_work *w, struct ike_sa *sa)
{
    struct peer_work *p = (struct peer_work *)w;
    struct opening *o = sa->opening;
    if (!o) return;
    o->their_proof.ready = true;
    o->their_proof.key_is_right = p->key_is_right;
    o->their_proof.why = p->why;
    o->their_proof.how = p->how;
    o->tries_used = TRUST_TRIES_MAX - p->tries;
    if (p->fetched.text[0]) tell(sa->ike, sa, p->level, "%s", p->fetched.text);
    o->their_proof.err = peer_judged(p, sa);
    p->then(sa);
}

static void work_free(struct ike_work *w)
{
    struct peer_work *p = (struct peer_work *)w;
    peer_work_done(p);
    free(p);
}

err_t peer_check(struct ike_sa *sa, const struct peer_claim *claim, void (*done)(struct ike_sa *sa),
                 struct why *why)
{
    const struct proof *theirs = &sa->opening->their_proof;
    if (theirs->ready) {
        if (theirs->err != ERR_OK) *why = theirs->why;
        return theirs->err;
    }
    if (sa->work_id) return ERR_AGAIN;
    struct peer_work *p = calloc(1, sizeof *p);
    if (!p) return ERR_NOMEM;
    p->w = (struct ike_work){.run = peer_work_run, .done = work_done, .free = work_free};
    p->then = done;
    err_t err = work_fill(p, sa, claim);
    if (err != ERR_OK) {
        work_free(&p->w);
        return why_not(why, ERR_AUTH, "its certificates cannot be read: %s", err_text(err));
    }
    TRY(work_start(sa, &p->w));
    return ERR_AGAIN;
}

const char *peer_how(const struct ike_sa *sa)
{
    return sa->opening->their_proof.how.text;
}

// ---- what we believe ---------------------------------------------------------------------------

struct hashes {
    unsigned n;
    uint8_t at[AUTHORITIES_MAX * KEY_HASH_LEN];
};

// Several sections may name the same authority.
static void hashes_add(struct hashes *h, const struct cred_cert *l)
{
    for (; l && h->n < AUTHORITIES_MAX; l = l->next) {
        const uint8_t *key = pubkey_spki_sha1(cert_pubkey(l->cert));
        const struct certreq so_far = {.keys = span(h->at, h->n * KEY_HASH_LEN)};
        if (certreq_has(&so_far, key)) continue;
        memcpy(h->at + (size_t)h->n++ * KEY_HASH_LEN, key, KEY_HASH_LEN);
    }
}

static void put_request(struct msgw *m, uint8_t encoding, span_t keys)
{
    struct certreq c = {.encoding = encoding, .keys = keys};
    certreq_write(msgw_begin(m, PAYLOAD_CERTREQ), &c);
    msgw_end(m);
}

// rfc4806 4.1: the signers that we believe by themselves; those that an issuer has named are not
// known beforehand.
static void put_ocsp_request(const struct ike_sa *sa, struct msgw *m, const struct conf_conn *conf)
{
    struct hashes h = {0};
    char name[CERT_NAME_MAX];
    if (!asks_ocsp(conf)) return;
    hashes_add(&h, conf->creds->ocsp);
    for (const struct cred_cert *l = conf->creds->ocsp; l; l = l->next) {
        tell(sa->ike, sa, LOG_STORY, SAY_OCSP_WANT, cert_name(l->cert, name));
    }
    if (!h.n) tell(sa->ike, sa, LOG_STORY, SAY_OCSP_WANT_ANY);
    put_request(m, CERT_OCSP, span(h.at, (size_t)h.n * KEY_HASH_LEN));
}

void peer_put_certreq(const struct ike_sa *sa, struct msgw *m, const struct conf_conn *conf)
{
    struct hashes h = {0};
    bool raw = false;
    if (!conf->send_certreq || !conf->creds) return;
    for (const struct conf_side *s = &conf->remote; s; s = s->next) {
        const struct side_creds *c = s->creds;
        if (s->auth != CONF_AUTH_PUBKEY) continue;
        raw |= c && c->pubkeys;
        bool only_keys = c && c->pubkeys && !c->cacerts && !c->certs;
        if (!only_keys) hashes_add(&h, c && c->cacerts ? c->cacerts : conf->creds->cas);
    }
    if (raw) put_request(m, CERT_RAW_KEY, span(NULL, 0));
    if (!h.n) return;
    put_request(m, CERT_X509, span(h.at, (size_t)h.n * KEY_HASH_LEN));
    put_ocsp_request(sa, m, conf);
    if (looks_up(sa->ike)) put_notify(m, N_HTTP_CERT_LOOKUP_SUPPORTED, span(NULL, 0));
}
