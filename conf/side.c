#include "conf/side.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "conf/auth.h"
#include "conf/issue.h"
#include "conf/value.h"

#define NO_XAUTH "XAuth belongs to IKEv1, which is not supported"
#define NO_TOKENS "certificates on tokens are not supported; give a file"

// false: what is written is none, and that was said.
static bool id_read(const struct arg *a, struct id *out)
{
    struct why why = {{0}};
    if (id_parse(a->v->text, out, &why) == ERR_OK) return true;
    issue_error(a->ld->issues, value_place(a->v, 0), a->v->text, "'%s' is not an identity: %s",
                a->v->text, why.text[0] ? why.text : "malformed");
    value_hint(a, "an address, a host name, an e-mail address, \"@#hex\" for a key id, or %%any");
    return false;
}

static void set_id(const struct arg *a)
{
    struct conf_side *side = a->to;
    side->id_given |= id_read(a, &side->id);
}

static void set_eap_id(const struct arg *a)
{
    struct conf_side *side = a->to;
    side->eap_id_given |= id_read(a, &side->eap_id);
}

static void set_aaa_id(const struct arg *a)
{
    struct conf_side *side = a->to;
    side->aaa_id_given |= id_read(a, &side->aaa_id);
}

// ---- certificates and public keys ----

static void want_list(const struct arg *a, enum wanted_kind kind)
{
    unsigned n = 0;
    for (struct element e = {0}; value_next(a, &e);) {
        if (n++ < CONF_LIST_MAX) {
            load_want(a->ld, kind, a->to, e.text, element_place(a, &e, 0));
            continue;
        }
        issue_error(a->ld->issues, element_place(a, &e, 0), e.text, "this list is too long");
        issue_hint(a->ld->issues, "at most %u files", CONF_LIST_MAX);
        return;
    }
}

static void set_certs(const struct arg *a)
{
    want_list(a, WANTED_CERT);
}

static void set_cacerts(const struct arg *a)
{
    want_list(a, WANTED_CACERT);
}

static void set_pubkeys(const struct arg *a)
{
    want_list(a, WANTED_PUBKEY);
}

static void set_cert_file(const struct arg *a)
{
    load_want(a->ld, WANTED_CERT, a->to, a->v->text, value_place(a->v, 0));
}

static void set_cacert_file(const struct arg *a)
{
    load_want(a->ld, WANTED_CACERT, a->to, a->v->text, value_place(a->v, 0));
}

static bool is_oid(const char *s)
{
    unsigned dots = 0;
    for (; *s; s++) {
        bool dot = *s == '.';
        if (!dot && !isdigit((unsigned char)*s)) return false;
        if (dot && (s[1] == 0 || s[1] == '.')) return false;
        dots += dot;
    }
    return dots > 0;
}

static void set_policies(const struct arg *a)
{
    struct conf_side *side = a->to;
    for (struct element e = {0}; value_next(a, &e);) {
        bool good = isdigit((unsigned char)e.text[0]) && is_oid(e.text);
        if (!good || side->policy_n == CONF_POLICIES_MAX) {
            issue_error(a->ld->issues, element_place(a, &e, 0), e.text,
                        good ? "this list is too long" : "'%s' is not the OID of a policy", e.text);
            issue_hint(a->ld->issues, "at most %u numbers with dots, as in 2.23.140.1.2.1",
                       CONF_POLICIES_MAX);
            return;
        }
        char *copy = arena_str(&a->ld->out->arena, e.text, e.len);
        if (!copy) a->ld->nomem = true;
        side->policy[side->policy_n++] = copy;
    }
}

static void set_groups(const struct arg *a)
{
    struct conf_side *side = a->to;
    for (struct element e = {0}; value_next(a, &e);) {
        if (side->group_n == CONF_GROUPS_MAX) {
            issue_error(a->ld->issues, element_place(a, &e, 0), e.text, "this list is too long");
            issue_hint(a->ld->issues, "at most %u groups", CONF_GROUPS_MAX);
            return;
        }
        char *copy = arena_str(&a->ld->out->arena, e.text, e.len);
        if (!copy) a->ld->nomem = true;
        if (copy) side->group[side->group_n++] = copy;
    }
}

static void set_ca_id(const struct arg *a)
{
    struct conf_side *side = a->to;
    struct why why = {{0}};
    side->ca_id_given = id_parse(a->v->text, &side->ca_id, &why) == ERR_OK;
    if (side->ca_id_given) return;
    issue_error(a->ld->issues, value_place(a->v, 0), a->v->text, "'%s' is not an identity: %s",
                a->v->text, why.text[0] ? why.text : "malformed");
    value_hint(a, "the subject of an authority, as in \"C=CH, O=Example, CN=Root\"");
}

static const struct word revocations[] = {{"relaxed", CONF_REVOCATION_RELAXED, NULL},
                                          {"ifuri", CONF_REVOCATION_IFURI, NULL},
                                          {"strict", CONF_REVOCATION_STRICT, NULL},
                                          {0}};

// clang-format off: tables keep their columns
static const struct key cert_keys[] = {
    {.name = "file", .set = set_cert_file, .to = 0},
    KEY_NOT("handle", NULL, NO_TOKENS),
    KEY_NOT("slot", NULL, NO_TOKENS),
    KEY_NOT("module", NULL, NO_TOKENS),
    {0},
};
static const struct key cacert_keys[] = {
    {.name = "file", .set = set_cacert_file, .to = 0},
    KEY_NOT("handle", NULL, NO_TOKENS),
    KEY_NOT("slot", NULL, NO_TOKENS),
    KEY_NOT("module", NULL, NO_TOKENS),
    {0},
};
static const struct schema cert_schema = {"a certificate", "cert<suffix>", cert_keys, NULL};
static const struct schema cacert_schema = {"an authority", "cacert<suffix>", cacert_keys, NULL};

static const struct key local_keys[] = {
    {.name = "auth", .set = set_auth, .to = 0},
    {.name = "id", .set = set_id, .to = 0},
    {.name = "round", .set = set_nothing, .to = 0},
    {.name = "certs", .set = set_certs, .to = 0},
    {.name = "pubkeys", .set = set_pubkeys, .to = 0},
    {.name = "eap_id", .set = set_eap_id, .to = 0},
    {.name = "aaa_id", .set = set_aaa_id, .to = 0},
    KEY_NOT("xauth_id", NULL, NO_XAUTH),
    {0},
};

static const struct key remote_keys[] = {
    {.name = "auth", .set = set_auth, .to = 0},
    {.name = "id", .set = set_id, .to = 0},
    {.name = "round", .set = set_nothing, .to = 0},
    {.name = "certs", .set = set_certs, .to = 0},
    {.name = "cacerts", .set = set_cacerts, .to = 0},
    {.name = "pubkeys", .set = set_pubkeys, .to = 0},
    {.name = "ca_id", .set = set_ca_id, .to = 0},
    {.name = "cert_policy", .set = set_policies, .to = 0},
    KEY_WORD("revocation", revocations, conf_side, revocation, "relaxed"),
    {.name = "eap_id", .set = set_eap_id, .to = 0},
    {.name = "groups", .set = set_groups, .to = 0},
    {0},
};

static void read_cert(struct load *ld, const struct node *n, void *side)
{
    schema_read(ld, &cert_schema, n, side);
}

static void read_cacert(struct load *ld, const struct node *n, void *side)
{
    schema_read(ld, &cacert_schema, n, side);
}

static const struct inside local_inside[] = {
    {"cert*", read_cert, &cert_schema, NULL},
    {0},
};
static const struct inside remote_inside[] = {
    {"cert*", read_cert, &cert_schema, NULL},
    {"cacert*", read_cacert, &cacert_schema, NULL},
    {0},
};
// clang-format on

const struct schema schema_local = {"a local section", "connections.<conn>.local", local_keys,
                                    local_inside};
const struct schema schema_remote = {"a remote section", "connections.<conn>.remote", remote_keys,
                                     remote_inside};

// As in strongSwan, who says nothing means public keys.
static void side_read(struct load *ld, const struct schema *s, const struct node *n,
                      struct conf_side *to)
{
    schema_read(ld, s, n, to);
    if (!to->auth) to->auth = CONF_AUTH_PUBKEY;
    // A RADIUS server says which groups are the client's.
    if (!to->group_n || to->auth == CONF_AUTH_PUBKEY || to->radius) return;
    issue_error(ld->issues, schema_place(ld, n, "groups"), to->group[0],
                "groups belong to certificates, and this peer has none to show (auth)");
    issue_hint(ld->issues, "remove groups, or write auth = pubkey");
}

// Rounds have numbers, or the order in which they stand there.
static unsigned long round_of(struct load *ld, const struct node *n)
{
    const struct setting *s = schema_written(ld, n, "round");
    return s ? strtoul(s->value.text, NULL, 10) : 0;
}

static void note_round(struct load *ld, const struct node *n, const struct node **rounds)
{
    unsigned at = 0, last = 0;
    while (last < CONF_SIDES_MAX && rounds[last]) last++;
    if (last == CONF_SIDES_MAX) {
        issue_error(ld->issues, n->at, n->name, "too many rounds of authentication");
        issue_hint(ld->issues, "at most %u for each side", CONF_SIDES_MAX);
        return;
    }
    while (at < last && round_of(ld, rounds[at]) <= round_of(ld, n)) at++;
    for (unsigned i = last; i > at; i--) rounds[i] = rounds[i - 1];
    rounds[at] = n;
}

static struct origin *origin_of(struct load *ld, const struct conf_conn *c)
{
    return &ld->origin[c - ld->out->conn];
}

void side_note_local(struct load *ld, const struct node *n, void *conn)
{
    note_round(ld, n, origin_of(ld, conn)->local);
}

void side_note_remote(struct load *ld, const struct node *n, void *conn)
{
    note_round(ld, n, origin_of(ld, conn)->remote);
}

static void rounds_read(struct load *ld, const struct schema *s, const struct node *const *rounds,
                        struct conf_side *to)
{
    for (unsigned i = 0; i < CONF_SIDES_MAX && rounds[i]; i++) {
        if (i) to = to->next = arena_get(&ld->out->arena, sizeof *to);
        if (!to) {
            ld->nomem = true;
            return;
        }
        side_read(ld, s, rounds[i], to);
    }
}

void side_read_all(struct load *ld, struct conf_conn *c)
{
    const struct origin *o = origin_of(ld, c);
    rounds_read(ld, &schema_local, o->local, &c->local);
    rounds_read(ld, &schema_remote, o->remote, &c->remote);
}
