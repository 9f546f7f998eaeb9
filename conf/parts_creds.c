// parts_creds.c - the certificates and keys of a configuration in parts. The same certificate may
// come many times, with every connection that names it: one of them stands for all.
#include <stdlib.h>
#include <string.h>

#include "conf/creds_load.h"
#include "conf/partsx.h"

// ---- lists without doubles ----

static struct cred_cert *cert_in(struct cred_cert *l, const struct cert *cert)
{
    while (l && l->cert != cert && !cert_eq(l->cert, cert)) l = l->next;
    return l;
}

static struct cred_pub *pub_in(struct cred_pub *l, const struct pubkey *key)
{
    while (l && !pubkey_eq(l->key, key)) l = l->next;
    return l;
}

static bool crl_in(const struct cred_blob *l, span_t der)
{
    while (l && !span_eq(l->der, der)) l = l->next;
    return l;
}

static const char *copy_name(struct load *ld, struct creds *c, const char *name)
{
    const char *copy = arena_str(&c->arena, name, strlen(name));
    if (!copy) ld->nomem = true;
    return copy;
}

static struct cred_cert *put_cert(struct load *ld, struct cred_cert **list,
                                  const struct cred_cert *from)
{
    struct creds *c = ld->out->creds;
    struct cred_cert *have = cert_in(*list, from->cert);
    if (have) return have;
    struct cred_cert *new = CREDS_APPEND(ld, c, *list);
    if (!new) return NULL;
    new->cert = cert_ref(from->cert);
    new->file = copy_name(ld, c, from->file);
    return new;
}

static struct cred_pub *put_pub(struct load *ld, const struct cred_pub *from)
{
    struct creds *c = ld->out->creds;
    struct cred_pub *have = pub_in(c->pubkeys, from->key);
    if (have) return have;
    struct cred_pub *new = CREDS_APPEND(ld, c, c->pubkeys);
    if (!new) return NULL;
    new->key = pubkey_ref(from->key);
    new->file = copy_name(ld, c, from->file);
    return new;
}

static bool acert_in(const struct cred_acert *l, const struct acert *a)
{
    while (l && !span_eq(acert_der(l->acert), acert_der(a))) l = l->next;
    return l;
}

static void put_acert(struct load *ld, const struct cred_acert *from)
{
    struct creds *c = ld->out->creds;
    if (acert_in(c->acerts, from->acert)) return;
    struct cred_acert *new = CREDS_APPEND(ld, c, c->acerts);
    if (!new) return;
    new->acert = acert_ref(from->acert);
    new->file = copy_name(ld, c, from->file);
}

static void put_crl(struct load *ld, const struct cred_blob *from)
{
    struct creds *c = ld->out->creds;
    if (crl_in(c->crls, from->der)) return;
    struct cred_blob *new = CREDS_APPEND(ld, c, c->crls);
    if (!new) return;
    new->der = arena_copy(&c->arena, from->der);
    new->file = copy_name(ld, c, from->file);
    ld->nomem = ld->nomem || !new->der.at;
}

// What of a part's certificates is for all, not only for a connection that brought them.
static void put_part(struct load *ld, const struct creds *from)
{
    struct creds *c = ld->out->creds;
    for (const struct cred_cert *l = from->certs; l; l = l->next) (void)put_cert(ld, &c->certs, l);
    for (const struct cred_cert *l = from->cas; l; l = l->next) (void)put_cert(ld, &c->cas, l);
    for (const struct cred_cert *l = from->ocsp; l; l = l->next) (void)put_cert(ld, &c->ocsp, l);
    for (const struct cred_cert *l = from->aas; l; l = l->next) (void)put_cert(ld, &c->aas, l);
    for (const struct cred_acert *l = from->acerts; l; l = l->next) put_acert(ld, l);
    for (const struct cred_pub *l = from->pubkeys; l; l = l->next) (void)put_pub(ld, l);
    for (const struct cred_blob *l = from->crls; l; l = l->next) put_crl(ld, l);
}

static bool certs_in(struct cred_cert *all, const struct cred_cert *l)
{
    while (l && cert_in(all, l->cert)) l = l->next;
    return !l;
}

// Is all of `mine` in `all`?
static bool creds_in(const struct creds *all, const struct creds *mine)
{
    const struct cred_pub *pub = mine->pubkeys;
    const struct cred_blob *crl = mine->crls;
    while (pub && pub_in(all->pubkeys, pub->key)) pub = pub->next;
    const struct cred_acert *ac = mine->acerts;
    while (ac && acert_in(all->acerts, ac->acert)) ac = ac->next;
    while (crl && crl_in(all->crls, crl->der)) crl = crl->next;
    return !pub && !crl && !ac && certs_in(all->aas, mine->aas) &&
           certs_in(all->certs, mine->certs) && certs_in(all->cas, mine->cas) &&
           certs_in(all->ocsp, mine->ocsp);
}

bool parts_know_certs(const struct parts *p, const struct config *c)
{
    static const struct creds nothing;
    if (creds_in(&nothing, c->creds)) return true;
    // A certificate that comes again with `swanctl --load-creds` changes nothing.
    const struct part *part = p->first;
    while (part && !(part->certs && creds_in(part->config->creds, c->creds))) part = part->next;
    return part;
}

// ---- keys, authorities ----

static const struct cred_key *key_at(const struct item *i)
{
    const struct cred_key *k = i->part->config->creds->keys;
    for (unsigned n = 0; n < i->index; n++) k = k->next;
    return k;
}

static const struct cred_authority *authority_at(const struct item *i)
{
    const struct cred_authority *a = i->part->config->creds->authorities;
    for (unsigned n = 0; n < i->index; n++) a = a->next;
    return a;
}

static void put_keys(const struct parts *p, struct load *ld)
{
    struct creds *c = ld->out->creds;
    for (unsigned i = 0; i < p->kind[PARTS_KEY].n && !ld->nomem; i++) {
        const struct cred_key *from = key_at(&p->kind[PARTS_KEY].at[i]);
        struct cred_key *k = CREDS_APPEND(ld, c, c->keys);
        if (!k) return;
        k->key = signer_ref(from->key);
        k->file = copy_name(ld, c, from->file);
    }
}

static void put_uris(struct load *ld, const char **to, const char *const *from, unsigned n)
{
    for (unsigned i = 0; i < n; i++) to[i] = copy_name(ld, ld->out->creds, from[i]);
}

static void put_authorities(const struct parts *p, struct load *ld)
{
    struct creds *c = ld->out->creds;
    for (unsigned i = 0; i < p->kind[PARTS_AUTHORITY].n && !ld->nomem; i++) {
        const struct cred_authority *from = authority_at(&p->kind[PARTS_AUTHORITY].at[i]);
        struct cred_authority *a = CREDS_APPEND(ld, c, c->authorities);
        if (!a) return;
        *a = (struct cred_authority){.crl_n = from->crl_n, .ocsp_n = from->ocsp_n};
        a->name = copy_name(ld, c, from->name);
        if (from->cert_uri_base) a->cert_uri_base = copy_name(ld, c, from->cert_uri_base);
        put_uris(ld, a->crl, from->crl, from->crl_n);
        put_uris(ld, a->ocsp, from->ocsp, from->ocsp_n);
        struct cred_cert ca = {.cert = from->cert, .file = from->name};
        const struct cred_cert *known = from->cert ? put_cert(ld, &c->cas, &ca) : NULL;
        if (known) a->cert = known->cert;
    }
}

// ---- what belongs to a connection's side ----

static void side_certs(struct load *ld, struct cred_cert **to, const struct cred_cert *from,
                       struct cred_cert **all)
{
    struct creds *c = ld->out->creds;
    for (; from && !ld->nomem; from = from->next) {
        struct cred_cert *known = all == &c->named ? cert_in(c->cas, from->cert) : NULL;
        if (!known) known = put_cert(ld, all, from);
        struct cred_cert *new = known ? CREDS_APPEND(ld, c, *to) : NULL;
        if (!new) return;
        new->cert = known->cert;
        new->file = known->file;
    }
}

static void side_join(struct load *ld, struct conf_side *side)
{
    struct creds *c = ld->out->creds;
    const struct side_creds *from = side->creds;
    side->creds = NULL;
    if (!from) return;
    struct side_creds *to = arena_get(&c->arena, sizeof *to);
    if (!to) {
        ld->nomem = true;
        return;
    }
    side_certs(ld, &to->certs, from->certs, &c->certs);
    side_certs(ld, &to->cacerts, from->cacerts, &c->named);
    for (const struct cred_pub *l = from->pubkeys; l && !ld->nomem; l = l->next) {
        const struct cred_pub *known = put_pub(ld, l);
        struct cred_pub *new = known ? CREDS_APPEND(ld, c, to->pubkeys) : NULL;
        if (!new) return;
        *new = (struct cred_pub){.key = known->key, .file = known->file};
    }
    side->creds = to;
}

// The rounds of one end, each a copy of its own.
static void sides_join(struct load *ld, struct conf_side *side)
{
    side_join(ld, side);
    while (side->next && !ld->nomem) {
        struct conf_side *copy = arena_get(&ld->out->arena, sizeof *copy);
        if (!copy) {
            ld->nomem = true;
            return;
        }
        *copy = *side->next;
        side->next = copy;
        side = copy;
        side_join(ld, side);
    }
}

// ---- the whole ----

// Whom to believe takes long to make, with large CRLs: as long as no certificate comes or goes it
// stays the same.
static void join_trust(struct parts *p, struct load *ld)
{
    struct conf_issues said = {0}; // when they were loaded
    if (!p->trust || p->trust_count != p->creds_count) {
        ld->issues = &said;
        creds_trust(ld, ld->out->creds);
        conf_issues_done(&said);
        if (ld->nomem) return;
        trust_free(p->trust);
        p->trust = trust_ref(ld->out->creds->trust);
        p->trust_count = p->creds_count;
        return;
    }
    ld->out->creds->trust = trust_ref(p->trust);
}

static unsigned count_certs(const struct cred_cert *l)
{
    unsigned n = 0;
    for (; l; l = l->next) n++;
    return n;
}

err_t parts_join_creds(struct parts *p, struct config *whole)
{
    // creds_trust() says mistakes with places: of a tree that is gone. There is a small one for it.
    struct tree tree;
    struct load ld = {.tree = &tree, .out = whole};
    struct creds *c = whole->creds;
    TRY(tree_init(&tree));
    for (const struct part *part = p->first; part; part = part->next) {
        if (part->certs) put_part(&ld, part->config->creds);
    }
    put_authorities(p, &ld);
    put_keys(p, &ld);
    for (unsigned i = 0; i < whole->conn_n && !ld.nomem; i++) {
        sides_join(&ld, &whole->conn[i].local);
        sides_join(&ld, &whole->conn[i].remote);
        whole->conn[i].creds = c;
    }
    if (!ld.nomem) creds_match(&ld, c);
    if (!ld.nomem) join_trust(p, &ld);
    tree_done(&tree);
    c->cert_n = count_certs(c->certs);
    c->ca_n = count_certs(c->cas);
    for (const struct cred_key *k = c->keys; k; k = k->next) c->key_n++;
    return ld.nomem ? ERR_NOMEM : ERR_OK;
}
