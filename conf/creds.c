#include "conf/creds.h"

#include <stdlib.h>

#include "conf/creds_load.h"

struct creds *creds_new(void)
{
    struct creds *c = calloc(1, sizeof *c);
    if (c) atomic_init(&c->refs, 1);
    return c;
}

struct creds *creds_ref(const struct creds *c)
{
    struct creds *mine = (struct creds *)(uintptr_t)c; // the count is all that changes
    if (mine) (void)atomic_fetch_add(&mine->refs, 1);
    return mine;
}

static void certs_free(struct cred_cert *l)
{
    for (; l; l = l->next) cert_free(l->cert);
}

static void pubs_free(struct cred_pub *l)
{
    for (; l; l = l->next) pubkey_free(l->key);
}

void creds_free(struct creds *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1) return;
    trust_free(c->trust);
    certs_free(c->certs);
    certs_free(c->cas);
    certs_free(c->ocsp);
    certs_free(c->aas);
    certs_free(c->named);
    for (struct cred_acert *l = c->acerts; l; l = l->next) acert_free(l->acert);
    pubs_free(c->pubkeys);
    for (struct cred_key *k = c->keys; k; k = k->next) signer_free(k->key);
    arena_done(&c->arena);
    free(c);
}

void load_want(struct load *ld, enum wanted_kind kind, void *whose, const char *name,
               struct place at)
{
    struct wanted *w = arena_get(&ld->tree->arena, sizeof *w);
    if (!w) {
        ld->nomem = true;
        return;
    }
    *w = (struct wanted){.kind = kind, .whose = whose, .name = name, .at = at};
    if (!ld->wanted_end) ld->wanted_end = &ld->wanted;
    *ld->wanted_end = w;
    ld->wanted_end = &w->next;
}

void creds_load(struct load *ld)
{
    struct creds *c = ld->out->creds;
    if (ld->loose) creds_read_wanted(ld, c);
    if (!ld->folder) return;
    creds_read_folders(ld, c);
    creds_read_wanted(ld, c);
    creds_match(ld, c);
    creds_trust(ld, c);
    if (!ld->nomem) creds_check(ld, c);
    for (unsigned i = 0; i < ld->out->conn_n; i++) ld->out->conn[i].creds = c;
}
