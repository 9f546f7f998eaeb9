#include <stdio.h>
#include <string.h>

#include "conf/creds_load.h"
#include "eap/eap.h"

static struct signer *key_for(const struct creds *c, const struct pubkey *pub)
{
    for (const struct cred_key *k = c->keys; k; k = k->next) {
        if (pubkey_eq(signer_pubkey(k->key), pub)) return k->key;
    }
    return NULL;
}

static struct cert *issuer_in(const struct cred_cert *l, const struct cert *c)
{
    for (; l; l = l->next) {
        if (cert_is_ca(l->cert) && cert_is_issued_by(c, l->cert)) return l->cert;
    }
    return NULL;
}

// From the issuer up, as far as it is known here and no longer than any peer would follow.
static void chain_find(const struct creds *c, struct cred_own *o)
{
    struct cert *at = o->cert;
    while (at && !cert_is_self_signed(at) && o->chain_n < CREDS_CHAIN_MAX) {
        struct cert *up = issuer_in(c->cas, at);
        if (!up) up = issuer_in(c->certs, at);
        if (up && cert_is_self_signed(up)) {
            o->root = up;
            return;
        }
        if (up) o->chain[o->chain_n++] = up;
        at = up;
    }
}

// As in strongSwan: the authority's address and the certificate's hash.
static const char *url_of(struct creds *c, const struct cert *cert)
{
    const struct cred_authority *a = c->authorities;
    while (a && !(a->cert && a->cert_uri_base && cert_is_issued_by(cert, a->cert))) a = a->next;
    if (!a) return NULL;
    size_t base = strlen(a->cert_uri_base), len = base + 2 * (size_t)KEY_SHA1_LEN;
    char *url = len <= FETCH_URL_MAX ? arena_get(&c->arena, len + 1) : NULL;
    if (!url) return NULL; // it is sent whole
    memcpy(url, a->cert_uri_base, base);
    for (unsigned i = 0; i < KEY_SHA1_LEN; i++) {
        (void)snprintf(url + base + 2 * (size_t)i, 3, "%02x", cert_sha1(cert)[i]);
    }
    return url;
}

static void urls_find(struct creds *c, struct cred_own *o)
{
    o->url = url_of(c, o->cert);
    for (unsigned i = 0; i < o->chain_n; i++) o->chain_url[i] = url_of(c, o->chain[i]);
}

static void acerts_find(const struct creds *c, struct cred_own *o)
{
    for (const struct cred_acert *l = c->acerts; l && o->acert_n < CREDS_ACERTS_MAX; l = l->next) {
        if (acert_is_of(l->acert, o->cert)) o->acert[o->acert_n++] = l->acert;
    }
}

static void match_certs(struct load *ld, struct creds *c)
{
    for (const struct cred_cert *l = c->certs; l && !ld->nomem; l = l->next) {
        struct signer *key = key_for(c, cert_pubkey(l->cert));
        struct cred_own *o = key ? CREDS_APPEND(ld, c, c->own) : NULL;
        if (!o) continue;
        o->cert = l->cert;
        o->pubkey = cert_pubkey(l->cert);
        o->key = key;
        chain_find(c, o);
        urls_find(c, o);
        acerts_find(c, o);
    }
}

// ---- sides ----

static void own_add(struct load *ld, struct creds *c, struct side_creds *to,
                    const struct cred_own *from)
{
    struct cred_own *o = CREDS_APPEND(ld, c, to->own);
    if (!o) return;
    *o = *from;
    o->next = NULL;
}

static void own_named(struct load *ld, struct creds *c, struct side_creds *side)
{
    for (const struct cred_cert *l = side->certs; l; l = l->next) {
        const struct cred_own *o = c->own;
        while (o && o->cert != l->cert) o = o->next;
        if (o) own_add(ld, c, side, o);
    }
    for (const struct cred_pub *p = side->pubkeys; p; p = p->next) {
        struct cred_own raw = {.pubkey = p->key, .key = key_for(c, p->key)};
        if (raw.key) own_add(ld, c, side, &raw);
    }
}

// Without names: every certificate of ours for this identity; without that, every one.
static void own_by_id(struct load *ld, struct creds *c, struct conf_side *side,
                      struct side_creds *to)
{
    bool any = !side->id_given || side->id.type == ID_ANY;
    for (const struct cred_own *o = c->own; o; o = o->next) {
        if (any || cert_has_id(o->cert, &side->id)) own_add(ld, c, to, o);
    }
}

static void match_local(struct load *ld, struct creds *c, struct conf_side *side)
{
    bool by_eap = side->auth == CONF_AUTH_EAP && (!side->eap || eap_takes_cert(side->eap));
    if (side->auth != CONF_AUTH_PUBKEY && !by_eap) return;
    struct side_creds *to = (struct side_creds *)(uintptr_t)side->creds; // ours until we are done
    if (!to) to = arena_get(&c->arena, sizeof *to);
    if (!to) {
        ld->nomem = true;
        return;
    }
    side->creds = to;
    if (to->certs || to->pubkeys) {
        own_named(ld, c, to);
    } else {
        own_by_id(ld, c, side, to);
    }
}

// A root that came as a certificate like others, as a PKCS#12 container has it, or VICI: as with
// strongSwan, what it says of itself counts.
static void adopt_roots(struct load *ld, struct creds *c)
{
    for (const struct cred_cert *l = c->certs; l && !ld->nomem; l = l->next) {
        if (!cert_is_ca(l->cert) || !cert_is_self_signed(l->cert)) continue;
        const struct cred_cert *known = c->cas;
        while (known && !cert_eq(known->cert, l->cert)) known = known->next;
        struct cred_cert *new = known ? NULL : CREDS_APPEND(ld, c, c->cas);
        if (!new) continue;
        new->cert = cert_ref(l->cert);
        new->file = l->file;
    }
}

void creds_match(struct load *ld, struct creds *c)
{
    adopt_roots(ld, c);
    match_certs(ld, c);
    for (unsigned i = 0; i < ld->out->conn_n && !ld->nomem; i++) {
        for (struct conf_side *s = &ld->out->conn[i].local; s && !ld->nomem; s = s->next) {
            match_local(ld, c, s);
        }
    }
}
