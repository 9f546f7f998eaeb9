// commands_certs.c - list-certs: the certificates, CRLs and public keys of the configuration, and
// what was fetched.
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf/creds.h"
#include "daemon/commands.h"
#include "daemon/loaded.h"
#include "daemon/sa_show.h"
#include "daemon/works.h"

struct cert_list {
    struct vici_call *call;
    const struct creds *creds;
    char type[COMMAND_NAME_MAX], flag[COMMAND_NAME_MAX], subject[ID_TEXT_MAX];
};

static bool asked_for(const char *filter, const char *word)
{
    return !*filter || strcasecmp(filter, "ANY") == 0 || strcasecmp(filter, word) == 0;
}

static bool has_key(const struct creds *c, const struct pubkey *pub)
{
    for (const struct cred_key *k = c->keys; k; k = k->next) {
        if (pubkey_eq(signer_pubkey(k->key), pub)) return true;
    }
    return false;
}

static bool is_subject(const struct cert *c, const char *wanted)
{
    char text[ID_TEXT_MAX];
    for (unsigned i = 0; i < cert_id_count(c); i++) {
        if (strcmp(id_show(cert_id_at(c, i), text), wanted) == 0) return true;
    }
    return !*wanted;
}

// Beyond strongSwan, whose swanctl reads it out of the data: what it says, for those who cannot.
static void put_words(struct vici_msg *m, const struct cert *c)
{
    char text[CERT_NAME_MAX > CERT_SERIAL_MAX ? CERT_NAME_MAX : CERT_SERIAL_MAX];
    char key[PUBKEY_TEXT_MAX];
    vici_kv(m, "subject", "%s", cert_name(c, text));
    vici_kv(m, "serial", "%s", cert_serial(c, text));
    sa_show_time(m, "not-before", cert_not_before(c));
    sa_show_time(m, "not-after", cert_not_after(c));
    vici_kv(m, "key", "%s", pubkey_show(cert_pubkey(c), key));
}

static void send_cert(const struct cert_list *l, const char *type, const char *flag, bool key,
                      const struct cert *c, span_t data)
{
    struct vici_msg m = {0};
    if (vici_call_gone(l->call)) return;
    vici_kv(&m, "type", "%s", type);
    if (flag) vici_kv(&m, "flag", "%s", flag);
    if (key) vici_kv(&m, "has_privkey", "yes");
    vici_kv_bytes(&m, "data", data);
    if (c) put_words(&m, c);
    vici_call_event(l->call, "list-cert", &m);
    vici_msg_done(&m);
}

// Is it listed as an authority, or further to the front, too?
static bool is_listed(const struct creds *c, const struct cred_cert *list, const struct cert *cert)
{
    for (const struct cred_cert *l = c->cas; list != c->cas && l; l = l->next) {
        if (cert_eq(l->cert, cert)) return true;
    }
    for (const struct cred_cert *l = list; l && l->cert != cert; l = l->next) {
        if (cert_eq(l->cert, cert)) return true;
    }
    return false;
}

// Those of a list that are authorities, or are none.
static void list_x509(const struct cert_list *l, const struct cred_cert *certs, const char *flag,
                      bool ca)
{
    if (!asked_for(l->type, "X509") || !asked_for(l->flag, flag)) return;
    for (const struct cred_cert *at = certs; at && !vici_call_gone(l->call); at = at->next) {
        if (certs != l->creds->ocsp && certs != l->creds->cas && cert_is_ca(at->cert) != ca)
            continue;
        if (!is_subject(at->cert, l->subject)) continue;
        if (ca && is_listed(l->creds, certs, at->cert)) continue; // of the others there are many
        send_cert(l, "X509", flag, has_key(l->creds, cert_pubkey(at->cert)), at->cert,
                  cert_der(at->cert));
    }
}

static void send_crl(void *ctx, span_t der)
{
    send_cert(ctx, "X509_CRL", NULL, false, NULL, der);
}

// Those of files, and those that were fetched. Longer ones than fit into a value are left out.
static void list_crls(struct iked *d, struct cert_list *l)
{
    if (!asked_for(l->type, "X509_CRL") || l->subject[0]) return;
    for (const struct cred_blob *b = l->creds->crls; b; b = b->next) {
        crl_file_der(b->der, VICI_VALUE_MAX, send_crl, l);
    }
    works_each_crl(d, VICI_VALUE_MAX, send_crl, l);
}

static void send_answer(void *ctx, span_t der)
{
    send_cert(ctx, "OCSP_RESPONSE", NULL, false, NULL, der);
}

static void list_answers(struct iked *d, struct cert_list *l)
{
    if (!asked_for(l->type, "OCSP_RESPONSE") || l->subject[0]) return;
    works_each_answer(d, VICI_VALUE_MAX, send_answer, l);
}

static void list_acerts(const struct cert_list *l)
{
    if (!asked_for(l->type, "X509_AC") || l->subject[0]) return;
    for (const struct cred_acert *a = l->creds->acerts; a; a = a->next) {
        send_cert(l, "X509_AC", NULL, false, NULL, acert_der(a->acert));
    }
}

static void list_pubkeys(const struct cert_list *l)
{
    if (!asked_for(l->type, "PUBKEY") || l->subject[0]) return;
    for (const struct cred_pub *p = l->creds->pubkeys; p; p = p->next) {
        send_cert(l, "PUBKEY", NULL, has_key(l->creds, p->key), NULL, pubkey_spki(p->key));
    }
}

void commands_list_certs(void *ctx, struct vici_call *call, span_t args)
{
    struct iked *d = ctx;
    struct vici_msg m = {0};
    loaded_settle(d);
    struct cert_list l = {.call = call, .creds = d->config->creds};
    bool ok = commands_str(args, "type", l.type) && commands_str(args, "flag", l.flag) &&
              vici_get_str(args, "subject", l.subject, sizeof l.subject) != ERR_SPACE;
    if (ok) {
        list_pubkeys(&l);
        list_x509(&l, l.creds->certs, "NONE", false);
        list_x509(&l, l.creds->certs, "CA", true);
        list_x509(&l, l.creds->cas, "CA", true);
        list_x509(&l, l.creds->named, "CA", true);
        list_x509(&l, l.creds->ocsp, "OCSP", false);
        list_x509(&l, l.creds->aas, "AA", false);
        list_acerts(&l);
        list_crls(d, &l);
        list_answers(d, &l);
    }
    vici_answer(call, &m);
}
