#include "conf/creds_load.h"
#include "conf/issue.h"

static struct place place_of_file(struct load *ld, const char *path)
{
    struct source *s = arena_get(&ld->tree->arena, sizeof *s);
    if (!s) return (struct place){0};
    *s = (struct source){.name = path, .no = UINT32_MAX - 1};
    return (struct place){s, 0};
}

static void passed_over(struct load *ld, err_t err, const char *file, const struct why *why)
{
    if (err == ERR_NOMEM) ld->nomem = true;
    if (err == ERR_OK || ld->nomem) return;
    issue_warn(ld->issues, place_of_file(ld, file), file, "%s is passed over: %s", file,
               why->text[0] ? why->text : err_text(err));
    issue_hint(ld->issues, "put another file into its place, or remove it");
}

static void add_authority(struct load *ld, struct trust *t, const struct cred_authority *a)
{
    err_t err = ERR_OK;
    for (unsigned i = 0; i < a->crl_n && err == ERR_OK; i++) {
        err = trust_add_crl_uri(t, a->cert, a->crl[i]);
    }
    for (unsigned i = 0; i < a->ocsp_n && err == ERR_OK; i++) {
        err = trust_add_ocsp_uri(t, a->cert, a->ocsp[i]);
    }
    if (err == ERR_NOMEM) ld->nomem = true;
    if (err == ERR_SPACE) {
        issue_warn(ld->issues, (struct place){0}, a->name,
                   "authority '%s' has more addresses than are asked", a->name);
        issue_hint(ld->issues, "%u of each kind are", TRUST_URIS_MAX);
    }
}

void creds_trust(struct load *ld, struct creds *c)
{
    struct trust *t = trust_new();
    c->trust = t;
    if (!t) {
        ld->nomem = true;
        return;
    }
    for (const struct cred_cert *l = c->cas; l; l = l->next) {
        struct why why = {0};
        passed_over(ld, trust_add_ca(t, l->cert, &why), l->file, &why);
    }
    // As in strongSwan: who lies in x509 is believed as he is, whoever signed it.
    for (const struct cred_cert *l = c->certs; l; l = l->next) {
        passed_over(ld, trust_add_cert(t, l->cert), l->file, &(struct why){0});
    }
    for (const struct cred_cert *l = c->ocsp; l; l = l->next) {
        passed_over(ld, trust_add_ocsp_signer(t, l->cert), l->file, &(struct why){0});
    }
    for (const struct cred_cert *l = c->aas; l; l = l->next) {
        struct why why = {0};
        passed_over(ld, trust_add_aa(t, l->cert, &why), l->file, &why);
    }
    for (const struct cred_acert *l = c->acerts; l; l = l->next) {
        passed_over(ld, trust_add_acert(t, l->acert), l->file, &(struct why){0});
    }
    for (const struct cred_blob *b = c->crls; b; b = b->next) {
        struct why why = {0};
        passed_over(ld, trust_add_crl(t, b->der, &why), b->file, &why);
    }
    for (const struct cred_authority *a = c->authorities; a; a = a->next) {
        if (a->cert) add_authority(ld, t, a);
    }
}
