#include "conf/side.h"

#include <stddef.h>
#include <string.h>

#include "conf/issue.h"
#include "conf/value.h"

#define NO_CERTS "certificates are not supported yet; use auth = psk"
#define NO_EAP "EAP is not supported yet; use auth = psk"
#define NO_XAUTH "XAuth belongs to IKEv1, which is not supported"

static void set_auth(const struct arg *a)
{
    if (strcmp(a->v->text, "psk") == 0) {
        *(enum conf_auth *)a->to = CONF_AUTH_PSK;
        return;
    }
    static const struct {
        const char *prefix, *why;
    } known[] = {{"pubkey", NO_CERTS}, {"rsa", NO_CERTS},     {"ecdsa", NO_CERTS},
                 {"bliss", NO_CERTS},  {"ed25519", NO_CERTS}, {"ed448", NO_CERTS},
                 {"ike:", NO_CERTS},   {"eap", NO_EAP},       {"xauth", NO_XAUTH},
                 {"any", NO_CERTS}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strncmp(a->v->text, known[i].prefix, strlen(known[i].prefix)) != 0) continue;
        issue_error(a->ld->issues, value_place(a->v, 0), a->v->text, "%s", known[i].why);
        value_hint(a, "write auth = psk and a secret in secrets { ike { ... } }");
        return;
    }
    issue_error(a->ld->issues, value_place(a->v, 0), a->v->text,
                "'%s' is not a way to authenticate", a->v->text);
    value_hint(a, "write auth = psk");
}

static void set_id(const struct arg *a)
{
    struct conf_side *side = a->to;
    struct why why = {{0}};
    if (id_parse(a->v->text, &side->id, &why) == ERR_OK) {
        side->id_given = true;
        return;
    }
    issue_error(a->ld->issues, value_place(a->v, 0), a->v->text, "'%s' is not an identity: %s",
                a->v->text, why.text[0] ? why.text : "malformed");
    value_hint(a, "an address, a host name, an e-mail address, \"@#hex\" for a key id, or %%any");
}

#define CERT_TABLE(prefix, place)                                                 \
    static const struct key prefix##_keys[] = {KEY_NOT("file", NULL, NO_CERTS),   \
                                               KEY_NOT("handle", NULL, NO_CERTS), \
                                               KEY_NOT("slot", NULL, NO_CERTS),   \
                                               KEY_NOT("module", NULL, NO_CERTS), \
                                               {0}};                              \
    static const struct schema prefix##_schema = {                                \
        .what = "a certificate", .where = place, .keys = prefix##_keys}

CERT_TABLE(cert, "cert<suffix>");
CERT_TABLE(cacert, "cacert<suffix>");

// clang-format off: tables keep their columns
static const struct key local_keys[] = {
    {.name = "auth", .set = set_auth, .to = offsetof(struct conf_side, auth)},
    {.name = "id", .set = set_id, .to = 0},
    {.name = "round", .set = set_nothing, .to = 0},
    KEY_NOT("certs", NULL, NO_CERTS),
    KEY_NOT("pubkeys", NULL, "raw public keys are not supported yet; use auth = psk"),
    KEY_NOT("eap_id", NULL, NO_EAP),
    KEY_NOT("aaa_id", NULL, NO_EAP),
    KEY_NOT("xauth_id", NULL, NO_XAUTH),
    {0},
};

static const struct key remote_keys[] = {
    {.name = "auth", .set = set_auth, .to = offsetof(struct conf_side, auth)},
    {.name = "id", .set = set_id, .to = 0},
    {.name = "round", .set = set_nothing, .to = 0},
    KEY_NOT("eap_id", "%any", NO_EAP),
    KEY_NOT("groups", NULL, "groups come from attribute certificates, which are not supported yet"),
    KEY_NOT("cert_policy", NULL, NO_CERTS),
    KEY_NOT("certs", NULL, NO_CERTS),
    KEY_NOT("cacerts", NULL, NO_CERTS),
    KEY_NOT("ca_id", NULL, NO_CERTS),
    KEY_NOT("pubkeys", NULL, "raw public keys are not supported yet; use auth = psk"),
    KEY_NOT("revocation", "relaxed", "there are no certificates yet that could be revoked"),
    {0},
};

static const struct inside local_inside[] = {
    {.name = "cert*", .schema = &cert_schema, .note = NO_CERTS},
    {0},
};
static const struct inside remote_inside[] = {
    {.name = "cert*", .schema = &cert_schema, .note = NO_CERTS},
    {.name = "cacert*", .schema = &cacert_schema, .note = NO_CERTS},
    {0},
};
// clang-format on

const struct schema schema_local = {"a local section", "connections.<conn>.local", local_keys,
                                    local_inside};
const struct schema schema_remote = {"a remote section", "connections.<conn>.remote", remote_keys,
                                     remote_inside};

static void side_read(struct load *ld, const struct schema *s, const struct node *n,
                      struct conf_side *to)
{
    schema_read(ld, s, n, to);
    if (to->auth || schema_written(ld, n, "auth")) return;
    issue_error(ld->issues, n->at, n->name,
                "'auth' is not set, and its default (pubkey) needs certificates, which are not "
                "supported yet");
    issue_hint(ld->issues, "write auth = psk");
}

// The second local* or remote* section would be a second round (RFC 4739).
static bool first_round(struct load *ld, const struct node *n, const struct node **seen)
{
    if (!*seen) {
        *seen = n;
        return true;
    }
    issue_error(ld->issues, n->at, n->name,
                "a second authentication round is not supported yet; '%s' is the first",
                (*seen)->name);
    issue_hint(ld->issues, "put all into one section, or make two connections");
    return false;
}

static struct origin *origin_of(struct load *ld, const struct conf_conn *c)
{
    return &ld->origin[c - ld->out->conn];
}

void side_read_local(struct load *ld, const struct node *n, void *conn)
{
    struct conf_conn *c = conn;
    if (first_round(ld, n, &origin_of(ld, c)->local)) side_read(ld, &schema_local, n, &c->local);
}

void side_read_remote(struct load *ld, const struct node *n, void *conn)
{
    struct conf_conn *c = conn;
    if (first_round(ld, n, &origin_of(ld, c)->remote)) side_read(ld, &schema_remote, n, &c->remote);
}
