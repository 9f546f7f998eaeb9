#include "conf/conn.h"

#include <stddef.h>
#include <string.h>

#include "conf/child.h"
#include "conf/host.h"
#include "conf/issue.h"
#include "conf/pool.h"
#include "conf/proposal.h"
#include "conf/side.h"
#include "conf/value.h"

static const struct word uniques[] = {{"no", CONF_UNIQUE_NO, NULL},
                                      {"never", CONF_UNIQUE_NEVER, NULL},
                                      {"keep", CONF_UNIQUE_KEEP, NULL},
                                      {"replace", CONF_UNIQUE_REPLACE, NULL},
                                      {0}};

// "force" is about IKEv1's first message; what is short goes in one piece here, too.
static const struct word fragmentations[] = {{"yes", CONF_FRAGMENTATION_YES, NULL},
                                             {"no", CONF_FRAGMENTATION_NO, NULL},
                                             {"accept", CONF_FRAGMENTATION_ACCEPT, NULL},
                                             {"force", CONF_FRAGMENTATION_YES, NULL},
                                             {0}};

static const struct word childlesses[] = {{"allow", CONF_CHILDLESS_ALLOW, NULL},
                                          {"prefer", CONF_CHILDLESS_PREFER, NULL},
                                          {"force", CONF_CHILDLESS_FORCE, NULL},
                                          {"never", CONF_CHILDLESS_NEVER, NULL},
                                          {0}};

static const struct word ocsps[] = {{"reply", CONF_OCSP_REPLY, NULL},
                                    {"request", CONF_OCSP_REQUEST, NULL},
                                    {"both", CONF_OCSP_BOTH, NULL},
                                    {"never", CONF_OCSP_NEVER, NULL},
                                    {0}};

static const struct word ppk_exchanges[] = {{"auto", CONF_PPK_AUTO, NULL},
                                            {"best", CONF_PPK_BEST, NULL},
                                            {"auth", CONF_PPK_AUTH, NULL},
                                            {"intermediate", CONF_PPK_INTERMEDIATE, NULL},
                                            {0}};

#define DSCP_BITS 6

// Six binary digits, as strongSwan has it.
static void set_dscp(const struct arg *a)
{
    const char *s = a->v->text;
    uint8_t dscp = 0;
    size_t n = strspn(s, "01");
    bool good = s[n] == 0 && (n == DSCP_BITS || strcmp(s, "0") == 0);
    for (size_t i = 0; i < n && good; i++) dscp = (uint8_t)(dscp << 1 | (s[i] == '1'));
    if (good) {
        *(uint8_t *)a->to = dscp;
        return;
    }
    issue_error(a->ld->issues, value_place(a->v, 0), s, "'%s' is not a DSCP value", s);
    value_hint(a, "six binary digits, as in 101110 (expedited forwarding)");
}

static const struct word send_certs[] = {{"ifasked", CONF_SEND_IFASKED, NULL},
                                         {"always", CONF_SEND_ALWAYS, NULL},
                                         {"never", CONF_SEND_NEVER, NULL},
                                         {0}};

// "0 accepts both versions": we speak the one that is left.
static void set_version(const struct arg *a)
{
    if (strcmp(a->v->text, "2") == 0) return;
    struct place at = value_place(a->v, 0);
    if (strcmp(a->v->text, "0") == 0) {
        issue_warn(a->ld->issues, at, a->v->text, "only IKEv2 is spoken, never IKEv1");
        issue_hint(a->ld->issues, "write version = 2");
        return;
    }
    bool one = strcmp(a->v->text, "1") == 0;
    issue_error(a->ld->issues, at, a->v->text,
                one ? "IKEv1 is not supported; it is obsolete (RFC 9395)"
                    : "'%s' is not a version of IKE",
                a->v->text);
    value_hint(a, "write version = 2");
}

#define NO_MEDIATION "mediation is not supported"

// clang-format off: tables keep their columns
// Peers compare nothing but its bytes.
static void set_ppk_id(const struct arg *a)
{
    struct conf_conn *c = a->to;
    struct why why = {{0}};
    if (id_parse(a->v->text, &c->ppk_id, &why) == ERR_OK && c->ppk_id.type != ID_ANY) return;
    issue_error(a->ld->issues, value_place(a->v, 0), a->v->text, "'%s' names no PPK: %s",
                a->v->text, why.text[0] ? why.text : "it would be any");
    value_hint(a, "write one id of a secret in secrets { ppk... { } }, or \"*.example.org\"");
}

static const struct key conn_keys[] = {
    {.name = "version", .set = set_version, .to = 0},
    {.name = "local_addrs", .set = set_local_addrs, .to = 0, .dflt = "%any"},
    {.name = "remote_addrs", .set = set_remote_addrs, .to = 0, .dflt = "%any"},
    KEY("local_port", set_port, conf_conn, local_port, "500"),
    KEY("remote_port", set_port, conf_conn, remote_port, "500"),
    KEY("proposals", set_ike_proposals, conf_conn, ike, "default"),
    KEY("rekey_time", set_time, conf_conn, rekey_s, NULL),
    KEY("reauth_time", set_time, conf_conn, reauth_s, NULL),
    KEY("over_time", set_time, conf_conn, over_s, NULL),
    KEY("rand_time", set_time, conf_conn, rand_s, NULL),
    KEY("dpd_delay", set_time, conf_conn, dpd_delay_s, "0"),
    KEY("keyingtries", set_number, conf_conn, keyingtries, "1"),
    KEY_WORD("unique", uniques, conf_conn, unique, "no"),
    KEY_WORD("fragmentation", fragmentations, conf_conn, fragmentation, "yes"),
    KEY("encap", set_yes_no, conf_conn, encap, "no"),
    KEY("mobike", set_yes_no, conf_conn, mobike, "yes"),
    KEY("if_id_in", set_if_id, conf_conn, if_id_in, "0"),
    KEY("if_id_out", set_if_id, conf_conn, if_id_out, "0"),
    {.name = "vips", .set = set_vips, .to = 0},
    {.name = "pools", .set = set_pools, .to = 0},
    KEY_NOT("aggressive", "no", "aggressive mode belongs to IKEv1, which is not supported"),
    KEY_NOT("pull", "yes", "push mode belongs to IKEv1, which is not supported"),
    KEY("dscp", set_dscp, conf_conn, dscp, "000000"),
    {.name = "dpd_timeout",
     .fine = "0 0s",
     .mild = "*",
     .note = "dpd_timeout has no effect on IKEv2: retransmission decides when a peer is dead"},
    KEY_WORD("childless", childlesses, conf_conn, childless, "allow"),
    KEY("send_certreq", set_yes_no, conf_conn, send_certreq, "yes"),
    KEY_WORD("send_cert", send_certs, conf_conn, send_cert, "ifasked"),
    KEY_WORD("ocsp", ocsps, conf_conn, ocsp, "reply"),
    {.name = "ppk_id", .set = set_ppk_id, .to = 0},
    KEY("ppk_required", set_yes_no, conf_conn, ppk_required, "no"),
    KEY_WORD("ppk_exchange", ppk_exchanges, conf_conn, ppk_exchange, "auto"),
    KEY_NOT("mediation", "no", NO_MEDIATION),
    KEY_NOT("mediated_by", NULL, NO_MEDIATION),
    KEY_NOT("mediation_peer", NULL, NO_MEDIATION),
    {0},
};

static const struct inside conn_inside[] = {
    {"local*", side_note_local, &schema_local, NULL},
    {"remote*", side_note_remote, &schema_remote, NULL},
    {"children", child_read_all, &schema_children, NULL},
    {0},
};
// clang-format on

const struct schema schema_conn = {"a connection", "connections.<conn>", conn_keys, conn_inside};

static const struct inside any_conn[] = {{.name = "*", .schema = &schema_conn}, {0}};
static const struct key no_keys[] = {{0}};
const struct schema schema_conns = {"section 'connections'", "connections", no_keys, any_conn};

static uint64_t longer(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t shorter(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// strongSwan's defaults of the IKE SA's times depend on one another.
static void times_complete(struct conf_conn *c)
{
    if (c->rekey_s == TIME_UNSET) c->rekey_s = c->reauth_s == TIME_UNSET ? 4 * 3600 : 0;
    if (c->reauth_s == TIME_UNSET) c->reauth_s = 0;
    if (c->over_s == TIME_UNSET) c->over_s = longer(c->rekey_s, c->reauth_s) / 10;
    if (c->rand_s != TIME_UNSET) return;
    c->rand_s = c->over_s;
    if (c->rekey_s) c->rand_s = shorter(c->rand_s, c->rekey_s / 2);
    if (c->reauth_s) c->rand_s = shorter(c->rand_s, c->reauth_s / 2);
}

// A connection's if_id counts where a child has none.
static void children_complete(struct conf_conn *c)
{
    for (unsigned i = 0; i < c->child_n; i++) {
        struct conf_child *f = &c->child[i];
        // What is chosen for the IKE SA is not known yet.
        if (f->if_id_in == 0 && c->if_id_in < CONF_EACH_DIR) f->if_id_in = c->if_id_in;
        if (f->if_id_out == 0 && c->if_id_out < CONF_EACH_DIR) f->if_id_out = c->if_id_out;
    }
}

static void side_missing(struct load *ld, const struct node *n, const char *side)
{
    issue_error(ld->issues, n->at, n->name, "connection '%s' has no %s section", n->name, side);
    issue_hint(ld->issues, "write %s { auth = psk } in it", side);
}

// Children that only pass or drop packets need no peer.
static bool only_shunts(const struct conf_conn *c)
{
    for (unsigned i = 0; i < c->child_n; i++) {
        if (c->child[i].mode != CONF_PASS && c->child[i].mode != CONF_DROP) return false;
    }
    return c->child_n > 0;
}

static void conn_read(struct load *ld, const struct node *n, struct conf_conn *c)
{
    struct origin *o = &ld->origin[c - ld->out->conn];
    o->conn = n;
    c->rekey_s = c->reauth_s = c->over_s = c->rand_s = TIME_UNSET;
    schema_read(ld, &schema_conn, n, c);
    side_read_all(ld, c);
    if (!o->local[0] && !only_shunts(c)) side_missing(ld, n, "local");
    if (!o->remote[0] && !only_shunts(c)) side_missing(ld, n, "remote");
    times_complete(c);
    children_complete(c);
    c->print = tree_print(n, "children");
    c->name = arena_str(&ld->out->arena, n->name, strlen(n->name));
    if (!c->name) ld->nomem = true;
}

void conn_read_all(struct load *ld, const struct node *n, void *config)
{
    struct config *out = config;
    unsigned count = 0;
    struct node empty = {.name = n->name, .at = n->at, .settings = n->settings};
    schema_read(ld, &schema_conns, &empty, out); // no setting may stand here
    for (const struct node *sub = n->subs; sub; sub = sub->next) count++;
    out->conn = arena_array(&out->arena, count, sizeof *out->conn);
    ld->origin = arena_array(&ld->tree->arena, count, sizeof *ld->origin);
    if (!out->conn || !ld->origin) {
        ld->nomem = true;
        return;
    }
    for (const struct node *sub = n->subs; sub; sub = sub->next) {
        conn_read(ld, sub, &out->conn[out->conn_n++]);
    }
}
