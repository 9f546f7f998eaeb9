// strongswan_radius.c - what strongswan.conf says of RADIUS: charon.plugins.eap-radius, its
// servers, and what is said to them.
#include <stddef.h>
#include <string.h>

#include "base/secret.h"
#include "conf/issue.h"
#include "conf/strongswanx.h"
#include "conf/value.h"

#define PLUGIN "plugins.eap-radius."
#define AUTH_PORT 1812 // RFC 2865 3
#define ACCT_PORT 1813 // RFC 2866 3

enum kind {
    IS_NAME,
    IS_DAE_SECRET,
    IS_SECRET,
    IS_ADDRESS,
    IS_PORT,
    IS_SOCKETS,
    IS_NUMBER,
    IS_SECONDS,
    IS_REAL,
    IS_YES
};

struct entry {
    const char *name;
    enum kind kind;
    size_t to;
};

#define OF_SERVER(name, kind, field)                      \
    {                                                     \
        name, kind, offsetof(struct radius_server, field) \
    }
#define OF_HABITS(name, kind, field)                      \
    {                                                     \
        name, kind, offsetof(struct radius_habits, field) \
    }
#define OF_ACCT(name, kind, field)                            \
    {                                                         \
        name, kind, offsetof(struct radius_accounting, field) \
    }
#define OF_DAE(name, kind, field)                           \
    {                                                       \
        name, kind, offsetof(struct radius_dae_conf, field) \
    }
// clang-format off: tables keep their columns
static const struct entry server_keys[] = {OF_SERVER("address", IS_ADDRESS, ip),
                                           OF_SERVER("secret", IS_SECRET, secret),
                                           OF_SERVER("auth_port", IS_PORT, auth_port),
                                           OF_SERVER("acct_port", IS_PORT, acct_port),
                                           OF_SERVER("nas_identifier", IS_NAME, nas_identifier),
                                           OF_SERVER("sockets", IS_SOCKETS, sockets),
                                           OF_SERVER("preference", IS_NUMBER, preference),
                                           OF_SERVER("retransmit_tries", IS_NUMBER, tries),
                                           OF_SERVER("retransmit_timeout", IS_REAL, timeout_s),
                                           OF_SERVER("retransmit_base", IS_REAL, base),
                                           {0}};
// The one server without a section, and what holds for all that say nothing else.
static const struct entry plugin_keys[] = {OF_SERVER("server", IS_ADDRESS, ip),
                                           OF_SERVER("secret", IS_SECRET, secret),
                                           OF_SERVER("port", IS_PORT, auth_port),
                                           OF_SERVER("nas_identifier", IS_NAME, nas_identifier),
                                           OF_SERVER("sockets", IS_SOCKETS, sockets),
                                           OF_SERVER("retransmit_tries", IS_NUMBER, tries),
                                           OF_SERVER("retransmit_timeout", IS_REAL, timeout_s),
                                           OF_SERVER("retransmit_base", IS_REAL, base),
                                           {0}};
static const struct entry habit_keys[] = {OF_HABITS("eap_start", IS_YES, eap_start),
                                          OF_HABITS("id_prefix", IS_NAME, id_prefix),
                                          OF_HABITS("station_id_with_port", IS_YES, station_port),
                                          OF_HABITS("class_group", IS_YES, class_group),
                                          OF_HABITS("filter_id", IS_YES, filter_id),
                                          {0}};
static const struct entry acct_keys[] = {
    OF_ACCT("accounting", IS_YES, on),
    OF_ACCT("accounting_interval", IS_SECONDS, interval_s),
    OF_ACCT("accounting_requires_vip", IS_YES, requires_vip),
    OF_ACCT("accounting_send_class", IS_YES, send_class),
    OF_ACCT("accounting_close_on_timeout", IS_YES, close_on_timeout),
    OF_ACCT("close_all_on_timeout", IS_YES, close_all),
    {0}};
static const struct entry dae_keys[] = {OF_DAE("enable", IS_YES, on),
                                        OF_DAE("listen", IS_ADDRESS, listen),
                                        OF_DAE("port", IS_PORT, port),
                                        OF_DAE("secret", IS_DAE_SECRET, secret),
                                        {0}};
// clang-format on

// What is not done, where it is asked for.
static const char *const refused_sections[][2] = {
    {"forward", "attributes are not carried between IKE and RADIUS"},
    {"xauth", "XAuth belongs to IKEv1, which is not supported"},
};

// ---- values ----

static const char *take_secret(const char *text, uint8_t to[RADIUS_SECRET_MAX], uint8_t *len)
{
    size_t n = strlen(text);
    if (n > RADIUS_SECRET_MAX) return "write at most 128 characters";
    wipe(to, RADIUS_SECRET_MAX);
    memcpy(to, text, n);
    *len = (uint8_t)n;
    return NULL;
}

static const char *take_of_server(const char *text, struct radius_server *s)
{
    return take_secret(text, s->secret, &s->secret_len);
}

static const char *take_of_dae(const char *text, struct radius_dae_conf *c)
{
    return take_secret(text, c->secret, &c->secret_len);
}

static const char *take_name(const char *text, char *to)
{
    size_t n = strlen(text);
    if (n >= RADIUS_NAME_MAX) return "write less than 64 characters";
    memset(to, 0, RADIUS_NAME_MAX);
    memcpy(to, text, n);
    return NULL;
}

static const char *take_count(const char *text, uint32_t min, uint32_t max, uint32_t *to)
{
    double v;
    if (!strongswan_number(text, &v) || v < min || v > max) return "write a whole number";
    *to = (uint32_t)v;
    return NULL;
}

static const char *take_port(const char *text, uint16_t *to)
{
    uint32_t v = 0;
    if (take_count(text, 1, UINT16_MAX, &v)) return "write a number to 65535";
    *to = (uint16_t)v;
    return NULL;
}

static const char *take_real(const char *text, double *to)
{
    double v;
    if (!strongswan_number(text, &v) || v < 0.1 || v > 3600) return "write a number, as in 1.4";
    *to = v;
    return NULL;
}

// What to write instead; NULL: all is well.
static const char *take(const char *text, const struct entry *k, void *base)
{
    void *to = (char *)base + k->to;
    switch (k->kind) {
    case IS_NAME:
        return take_name(text, to);
    case IS_SECRET:
        return take_of_server(text, base);
    case IS_DAE_SECRET:
        return take_of_dae(text, base);
    case IS_ADDRESS:
        return ip_parse(text, to) == ERR_OK ? NULL
                                            : "write its IP address: names are not looked up";
    case IS_PORT:
        return take_port(text, to);
    case IS_SOCKETS:
        return take_count(text, 1, RADIUS_SOCKETS_MAX, to) ? "write a number to 16" : NULL;
    case IS_NUMBER:
        return take_count(text, 0, 1000, to);
    case IS_SECONDS:
        return take_count(text, 0, 1000000, to);
    case IS_REAL:
        return take_real(text, to);
    case IS_YES:
        *(bool *)to = value_is_yes(text);
        return value_is_yes(text) || value_is_no(text) ? NULL : "write yes or no";
    }
    return NULL;
}

static const struct entry *entry_of(const struct entry *keys, const char *name)
{
    for (; keys->name; keys++) {
        if (strcmp(keys->name, name) == 0) return keys;
    }
    return NULL;
}

static void put(const struct setting *s, const struct entry *k, void *base,
                struct conf_issues *issues)
{
    const char *hint = take(s->value.text, k, base);
    if (!hint) return;
    bool hidden = k->kind == IS_SECRET || k->kind == IS_DAE_SECRET;
    issue_error(issues, s->at, s->key, "%s%s%s is no value for %s", hidden ? "this" : "'",
                hidden ? "" : s->value.text, hidden ? "" : "'", s->key);
    issue_hint(issues, "%s", hint);
}

// ---- what cannot be had ----

static void refuse(const struct setting *s, const char *why, struct conf_issues *issues)
{
    issue_error(issues, s->at, s->key, "charon." PLUGIN "%s: %s", s->key, why);
    issue_hint(issues, "leave it out");
}

static void unknown(const struct setting *s, const struct entry *keys, struct conf_issues *issues)
{
    const char *names[16] = {0};
    for (unsigned i = 0; keys[i].name && i < 15; i++) names[i] = keys[i].name;
    const char *near = nearest(s->key, names);
    issue_warn(issues, s->at, s->key, "%s has no effect in eap-radius", s->key);
    if (near) issue_hint(issues, "did you mean %s?", near);
}

static void check_sections(const struct node *n, struct conf_issues *issues)
{
    for (const struct node *sub = n->subs; sub; sub = sub->next) {
        for (size_t i = 0; i < sizeof refused_sections / sizeof *refused_sections; i++) {
            bool named = strcmp(sub->name, refused_sections[i][0]) == 0;
            if (named && sub->settings) refuse(sub->settings, refused_sections[i][1], issues);
        }
    }
}

// ---- sections ----

struct reading {
    struct radius_conf *out;
    struct conf_issues *issues;
    struct radius_server usual;  // what servers say nothing of
    const struct setting *alone; // the server without a section
};

static void read_plugin(const struct node *n, struct reading *r)
{
    for (const struct setting *s = n->settings; s; s = s->next) {
        const struct entry *k = entry_of(plugin_keys, s->key);
        const struct entry *habit = entry_of(habit_keys, s->key);
        if (!s->value.len) continue;
        if (k) put(s, k, &r->usual, r->issues);
        if (k && k->kind == IS_ADDRESS) r->alone = s;
        if (habit) put(s, habit, &r->out->habits, r->issues);
        const struct entry *acct = entry_of(acct_keys, s->key);
        if (acct) put(s, acct, &r->out->acct, r->issues);
        if (k || habit || acct || strcmp(s->key, "load") == 0) continue;
        unknown(s, plugin_keys, r->issues);
    }
    check_sections(n, r->issues);
}

static void read_dae(const struct node *n, struct reading *r)
{
    struct radius_dae_conf *to = &r->out->dae;
    for (const struct setting *s = n->settings; s; s = s->next) {
        const struct entry *k = entry_of(dae_keys, s->key);
        if (k && s->value.len) put(s, k, to, r->issues);
        if (!k) unknown(s, dae_keys, r->issues);
    }
    if (!to->on || to->secret_len) return;
    issue_error(r->issues, n->at, n->name,
                "whoever wants could disconnect clients: dae has no secret");
    issue_hint(r->issues, "write secret = ..., the same that the server has for us");
}

static struct radius_server *server_named(struct radius_conf *c, const char *name)
{
    for (unsigned i = 0; i < c->server_n; i++) {
        if (strcmp(c->server[i].name, name) == 0) return &c->server[i];
    }
    return NULL;
}

static void check_server(const struct radius_server *to, struct place at, const char *token,
                         struct conf_issues *issues)
{
    if (!to->secret_len) {
        issue_error(issues, at, token, "RADIUS server '%s' has no secret", to->name);
        issue_hint(issues, "write secret = ..., the same that the server has for us");
    }
    if (to->ip.family == AF_UNSPEC) {
        issue_error(issues, at, token, "RADIUS server '%s' has no address", to->name);
        issue_hint(issues, "write address = ..., an IP address");
    }
}

static void read_server(const struct node *n, struct reading *r)
{
    struct radius_conf *c = r->out;
    struct radius_server *to = server_named(c, n->name);
    if (!to && (c->server_n == RADIUS_SERVERS_MAX || strlen(n->name) >= RADIUS_NAME_MAX)) {
        issue_error(r->issues, n->at, n->name,
                    "this is a RADIUS server too many, or its name too long");
        issue_hint(r->issues, "%u can be used", RADIUS_SERVERS_MAX);
        return;
    }
    if (!to) {
        to = &c->server[c->server_n++];
        *to = r->usual;
        to->ip = (ip_t){.family = AF_UNSPEC};
        memcpy(to->name, n->name, strlen(n->name));
    }
    for (const struct setting *s = n->settings; s; s = s->next) {
        const struct entry *k = entry_of(server_keys, s->key);
        if (k && s->value.len) put(s, k, to, r->issues);
        if (!k) unknown(s, server_keys, r->issues);
    }
    check_server(to, n->at, n->name, r->issues);
}

static void read_alone(struct reading *r)
{
    struct radius_server *to = &r->out->server[r->out->server_n++];
    const char name[] = "primary"; // as strongSwan has it
    *to = r->usual;
    memcpy(to->name, name, sizeof name);
    check_server(to, r->alone->at, r->alone->key, r->issues);
}

// Of charon, or of charon-systemd, which is read after it. NULL: it is not there.
static const struct node *plugin_of(const struct tree *t, const char *section)
{
    const struct node *n = tree_sub(t, t->root, section);
    if (n) n = tree_sub(t, n, "plugins");
    return n ? tree_sub(t, n, "eap-radius") : NULL;
}

static const struct radius_server usual = {.auth_port = AUTH_PORT,
                                           .acct_port = ACCT_PORT,
                                           .nas_identifier =
                                               "strongSwan", // servers may look for it
                                           .sockets = 1,
                                           .tries = 4,
                                           .timeout_s = 2,
                                           .base = 1.4};

void strongswan_radius(const struct tree *t, struct strongswan *s, struct conf_issues *issues)
{
    static const char *const sections[] = {"charon", "charon-systemd"};
    struct reading r = {.out = &s->radius, .issues = issues, .usual = usual};
    for (size_t i = 0; i < 2; i++) {
        const struct node *n = plugin_of(t, sections[i]);
        const struct node *dae = n ? tree_sub(t, n, "dae") : NULL;
        if (n) read_plugin(n, &r);
        if (dae) read_dae(dae, &r);
    }
    for (size_t i = 0; i < 2; i++) {
        const struct node *n = plugin_of(t, sections[i]);
        const struct node *servers = n ? tree_sub(t, n, "servers") : NULL;
        for (n = servers ? servers->subs : NULL; n; n = n->next) read_server(n, &r);
    }
    if (!s->radius.server_n && r.alone) read_alone(&r);
    s->radius.habits.given = s->radius.server_n;
    wipe(&r.usual, sizeof r.usual);
}

bool strongswan_is_radius(const char *path)
{
    return strncmp(path, PLUGIN, strlen(PLUGIN)) == 0;
}
