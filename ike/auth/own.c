#include "ike/auth/own.h"

#include <string.h>

#include "base/words.h"
#include "ike/auth/round.h"
#include "ike/sa/diplomat.h"

const struct cred_own *own_first(const struct conf_side *local)
{
    bool keys = (local->auth == CONF_AUTH_PUBKEY || local->auth == CONF_AUTH_EAP) && local->creds;
    return keys ? local->creds->own : NULL;
}

struct id own_key_id(const struct pubkey *key)
{
    struct id id = {.type = ID_KEY_ID, .len = KEY_SHA1_LEN};
    memcpy(id.data, pubkey_key_sha1(key), KEY_SHA1_LEN);
    return id;
}

struct id own_id(const struct conf_side *side, const struct cred_own *own, const ip_t *ip)
{
    bool given = side->id_given && side->id.type != ID_ANY;
    const struct cert *cert = own ? own->cert : NULL;
    if (given && (!cert || cert_has_id(cert, &side->id))) return side->id;
    if (cert && cert_id_count(cert)) return *cert_id_at(cert, 0);
    // rfc7619 2.2 SHOULD: who wants to be nobody says so.
    if (!given && side->auth == CONF_AUTH_NULL) return (struct id){.type = ID_NULL};
    if (!given && own && !cert) return own_key_id(own->pubkey);
    return given ? side->id : id_from_ip(ip);
}

// ---- what the peer wants -----------------------------------------------------------------------

static void hear_ocsp(struct ike_sa *sa, const struct certreq *c)
{
    const struct creds *creds = sa->conn ? sa->conn->conf.creds : NULL;
    char name[CERT_NAME_MAX];
    sa->opening->asked_ocsp = true;
    if (!c->keys.len) tell(sa->ike, sa, LOG_STORY, SAY_OCSP_WANTED_ANY);
    for (const struct cred_cert *l = creds ? creds->ocsp : NULL; l; l = l->next) {
        if (certreq_has(c, pubkey_spki_sha1(cert_pubkey(l->cert))))
            tell(sa->ike, sa, LOG_STORY, SAY_OCSP_WANTED, cert_name(l->cert, name));
    }
}

void own_hear(struct ike_sa *sa, const struct msg *in)
{
    struct opening *o = sa->opening;
    struct notify n;
    hash_set_t hashes;
    if (notify_find(in, N_SIGNATURE_HASH_ALGORITHMS, &n) == ERR_OK &&
        hash_set_read(n.data, &hashes) == ERR_OK) {
        o->peer_hashes = hashes;
    }
    if (notify_find(in, N_HTTP_CERT_LOOKUP_SUPPORTED, &n) == ERR_OK) o->peer_looks_up = true;
    for (unsigned i = 0; i < in->n; i++) {
        struct certreq c;
        if (in->payload[i].type != PAYLOAD_CERTREQ) continue;
        if (certreq_read(in->payload[i].body, &c) != ERR_OK) continue;
        o->asked_key |= c.encoding == CERT_RAW_KEY;
        if (c.encoding == CERT_OCSP) hear_ocsp(sa, &c);
        if (c.encoding != CERT_X509) continue;
        o->asked_cert = true;
        // The first one counts: more than a message holds is more than anybody needs.
        if (!o->authorities.len) IGNORE(blob_set(&o->authorities, c.keys)); // it is but a hint
    }
}

static bool is_wanted(const struct opening *o, const struct cred_own *own)
{
    const struct certreq c = {.encoding = CERT_X509, .keys = blob_span(&o->authorities)};
    if (!own->cert) return o->asked_key && !o->asked_cert;
    if (own->root && certreq_has(&c, pubkey_spki_sha1(cert_pubkey(own->root)))) return true;
    for (unsigned i = 0; i < own->chain_n; i++) {
        if (certreq_has(&c, pubkey_spki_sha1(cert_pubkey(own->chain[i])))) return true;
    }
    return false;
}

void own_choose(struct ike_sa *sa)
{
    struct opening *o = sa->opening;
    const struct conf_side *side = round_ours(sa);
    const struct cred_own *own = own_first(side);
    o->own = own;
    for (; own; own = own->next) {
        if (!is_wanted(o, own)) continue;
        o->own = own;
        break;
    }
    sa->local_id = own_id(side, o->own, &sa->local.ip);
}

static const struct cred_own *own_named(const struct conf_side *side, const struct id *id)
{
    const struct cred_own *own = own_first(side);
    if (side->id_given && side->id.type != ID_ANY) return NULL;
    while (own && !(own->cert && cert_has_id(own->cert, id))) own = own->next;
    return own;
}

bool own_may_be(const struct conf_side *local, const struct id *idr)
{
    return own_named(local, idr) != NULL;
}

void own_wish(struct ike_sa *sa, const struct id *idr)
{
    struct opening *o = sa->opening;
    const struct conf_side *side = round_ours(sa);
    const struct cred_own *named = side ? own_named(side, idr) : NULL;
    if (!named) return;
    // The one that was chosen leads to an authority that the peer believes.
    if (!o->own || !o->own->cert || !cert_has_id(o->own->cert, idr)) o->own = named;
    sa->local_id = *idr;
}

static void put_cert(struct msgw *m, uint8_t encoding, span_t data)
{
    struct certp c = {.encoding = encoding, .data = data};
    certp_write(msgw_begin(m, PAYLOAD_CERT), &c);
    msgw_end(m);
}

// rfc7296 3.6: by its hash and where it is, for a peer that has said it looks there.
static void put_x509(struct ike_sa *sa, struct msgw *m, const struct cert *c, const char *url)
{
    const struct opening *o = sa->opening;
    uint8_t data[KEY_HASH_LEN + CERT_URL_MAX];
    wr_t w = wr_into(data, sizeof data);
    wr_bytes(&w, span(cert_sha1(c), KEY_HASH_LEN));
    wr_bytes(&w, span_str(url ? url : ""));
    bool named = url && o->peer_looks_up && wr_done(&w) == ERR_OK;
    if (named) tell(sa->ike, sa, LOG_STORY, SAY_URL_SENT, url);
    put_cert(m, named ? CERT_HASH_URL : CERT_X509, named ? wr_span(&w) : cert_der(c));
}

bool own_staples(const struct ike_sa *sa)
{
    enum conf_ocsp policy = sa->conn->conf.ocsp;
    const struct cred_own *own = sa->opening->own;
    bool may = policy == CONF_OCSP_REPLY || policy == CONF_OCSP_BOTH;
    return may && sa->opening->asked_ocsp && own && own->cert && own_issuer(own) &&
           sa->conn->conf.send_cert != CONF_SEND_NEVER;
}

struct cert *own_issuer(const struct cred_own *own)
{
    return own->chain_n ? own->chain[0] : own->root;
}

// Which groups we are in, for a gateway that asks for some.
static void put_acerts(struct ike_sa *sa, struct msgw *m, const struct cred_own *own)
{
    char name[CERT_NAME_MAX];
    for (unsigned i = 0; i < own->acert_n; i++) {
        put_cert(m, CERT_ATTRIBUTE, acert_der(own->acert[i]));
        tell(sa->ike, sa, LOG_STORY, SAY_ACERT_SENT, acert_issuer_name(own->acert[i], name));
    }
}

// rfc4806 4.2: in a payload of its own
static void put_staple(struct ike_sa *sa, struct msgw *m)
{
    const struct opening *o = sa->opening;
    char name[CERT_NAME_MAX];
    if (!own_staples(sa) || !o->staple.len) return;
    put_cert(m, CERT_OCSP, blob_span(&o->staple));
    tell(sa->ike, sa, LOG_STORY, SAY_OCSP_SENT, cert_name(o->own->cert, name));
}

static void put_chain(struct ike_sa *sa, struct msgw *m)
{
    const struct opening *o = sa->opening;
    const struct cred_own *own = o->own;
    enum conf_send_cert policy = sa->conn->conf.send_cert;
    if (!own || policy == CONF_SEND_NEVER) return;
    bool always = policy == CONF_SEND_ALWAYS;
    if (!own->cert) {
        if (always || o->asked_key) put_cert(m, CERT_RAW_KEY, pubkey_spki(own->pubkey));
        return;
    }
    if (!always && !o->asked_cert) return;
    // rfc7296 3.6 MUST: the first certificate is that of the key that signs.
    char name[CERT_NAME_MAX];
    put_x509(sa, m, own->cert, own->url);
    tell(sa->ike, sa, LOG_STORY, SAY_CERT_SENT, cert_name(own->cert, name));
    for (unsigned i = 0; i < own->chain_n; i++) {
        put_x509(sa, m, own->chain[i], own->chain_url[i]);
        tell(sa->ike, sa, LOG_STORY, SAY_CA_SENT, cert_name(own->chain[i], name));
    }
    put_acerts(sa, m, own);
}

void own_put_certs(struct ike_sa *sa, struct msgw *m)
{
    put_chain(sa, m);
    put_staple(sa, m);
}
