#include <string.h>
#include <time.h>

#include "conf/creds_load.h"
#include "conf/issue.h"
#include "eap/eap.h"

#define KEY_FOLDERS "private, rsa, ecdsa, pkcs8, pkcs12"

static struct place place_of(struct load *ld, const struct node *n, const char *key)
{
    return schema_written(ld, n, key) ? schema_place(ld, n, key) : n->at;
}

// Every certificate that was named must have its key here.
static void check_named(struct load *ld, const struct creds *c, const struct node *n,
                        const struct conf_side *side)
{
    char name[CERT_NAME_MAX];
    for (const struct cred_cert *l = side->creds->certs; l; l = l->next) {
        const struct cred_own *o = side->creds->own;
        while (o && o->cert != l->cert) o = o->next;
        if (o) continue;
        issue_error(ld->issues, place_of(ld, n, "certs"), l->file,
                    "no private key here belongs to the certificate %s (%.60s)", l->file,
                    cert_name(l->cert, name));
        issue_hint(ld->issues, "%u private keys were read; put its own into %s/private", c->key_n,
                   ld->folder);
    }
    for (const struct cred_pub *p = side->creds->pubkeys; p; p = p->next) {
        const struct cred_own *o = side->creds->own;
        while (o && o->pubkey != p->key) o = o->next;
        if (o) continue;
        issue_error(ld->issues, place_of(ld, n, "pubkeys"), p->file,
                    "no private key here belongs to the public key %s", p->file);
        issue_hint(ld->issues, "put it into %s/private", ld->folder);
    }
}

static void nothing_own(struct load *ld, const struct creds *c, const struct node *n,
                        const struct conf_side *side)
{
    char id[ID_TEXT_MAX];
    if (side->id_given && side->id.type != ID_ANY) {
        issue_error(ld->issues, place_of(ld, n, "id"), n->name,
                    "there is no certificate with a private key for %.100s",
                    id_show(&side->id, id));
    } else {
        issue_error(ld->issues, n->at, n->name, "there is no certificate with a private key");
    }
    issue_hint(ld->issues,
               "%u certificates and %u keys were read: put yours into %s/x509 and %s/private",
               c->cert_n, c->key_n, ld->folder, ld->folder);
}

static void check_id(struct load *ld, const struct node *n, const struct conf_side *side)
{
    char id[ID_TEXT_MAX], name[CERT_NAME_MAX];
    const struct cred_own *o = side->creds->own;
    if (!side->id_given || side->id.type == ID_ANY) return;
    for (; o; o = o->next) {
        if (!o->cert || cert_has_id(o->cert, &side->id)) return;
    }
    issue_warn(ld->issues, place_of(ld, n, "id"), "id",
               "the certificate %.60s does not say that it is %.80s; its subject will be said "
               "instead",
               cert_name(side->creds->own->cert, name), id_show(&side->id, id));
    issue_hint(ld->issues, "leave id out, or have a certificate made with that subjectAltName");
}

// What the peer will not believe, and why.
static void check_dates(struct load *ld, const struct node *n, const struct conf_side *side)
{
    char name[CERT_NAME_MAX], day[16];
    int64_t now = (int64_t)time(NULL);
    for (const struct cred_own *o = side->creds->own; o; o = o->next) {
        if (!o->cert) continue;
        bool over = cert_not_after(o->cert)<now, early = cert_not_before(o->cert)> now;
        time_t t = (time_t)(over ? cert_not_after(o->cert) : cert_not_before(o->cert));
        struct tm tm;
        if ((!over && !early) || !gmtime_r(&t, &tm)) continue;
        (void)strftime(day, sizeof day, "%Y-%m-%d", &tm);
        issue_warn(ld->issues, place_of(ld, n, "certs"), "certs",
                   over ? "the certificate %.60s has expired on %s"
                        : "the certificate %.60s is not valid before %s",
                   cert_name(o->cert, name), day);
        issue_hint(ld->issues, over ? "have a new one made" : "is the clock of this host right?");
    }
}

// Has it a certificate, or one of the peer's, to go by?
static bool shows_cert(const struct conf_side *side)
{
    return side->auth == CONF_AUTH_PUBKEY ||
           (side->auth == CONF_AUTH_EAP && eap_takes_cert(side->eap));
}

static void check_local(struct load *ld, const struct creds *c, const struct node *n,
                        const struct conf_side *side)
{
    if (!n || !shows_cert(side) || !side->creds) return;
    // A client has a password instead.
    if (side->auth == CONF_AUTH_EAP && !eap_needs_cert(side->eap) && !side->creds->own) return;
    unsigned before = ld->issues->errors;
    check_named(ld, c, n, side);
    if (side->creds->own) {
        check_id(ld, n, side);
        check_dates(ld, n, side);
    } else if (ld->issues->errors == before) {
        nothing_own(ld, c, n, side);
    }
}

// Of whom shall we believe anything?
static void check_remote(struct load *ld, const struct creds *c, const struct node *n,
                         const struct conf_side *side)
{
    const struct side_creds *s = side->creds;
    if (!n || !shows_cert(side) || c->cas) return;
    if (s && (s->certs || s->cacerts || s->pubkeys)) return;
    issue_warn(ld->issues, n->at, n->name,
               "no certificate of an authority is there, so that nothing here can prove the peer");
    issue_hint(
        ld->issues,
        "put it into %s/x509ca, or name the peer's own in certs or pubkeys; DNSSEC can prove it, "
        "too (pavise-strongswan.conf(5): charon.plugins.ipseckey, dnscert)",
        ld->folder);
}

void creds_check(struct load *ld, const struct creds *c)
{
    // What could not be read was said already; more would follow from it.
    if (ld->issues->errors) return;
    for (unsigned i = 0; i < ld->out->conn_n; i++) {
        const struct node *const *local = ld->origin[i].local, *const *remote =
                                                                   ld->origin[i].remote;
        const struct conf_side *s = &ld->out->conn[i].local;
        for (; s; s = s->next) check_local(ld, c, *local++, s);
        for (s = &ld->out->conn[i].remote; s; s = s->next) check_remote(ld, c, *remote++, s);
    }
}
