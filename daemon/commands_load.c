// commands_load.c - the commands that load and unload: connections, secrets, keys, certificates,
// pools, authorities. What they bring is read by conf/ as a file is; it comes into force as a whole
// or not at all, and what was in force stays when it does not.
#include "daemon/commands_load.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/secret.h"
#include "base/text.h"
#include "base/words.h"
#include "conf/build.h"
#include "conf/parts.h"
#include "daemon/loaded.h"
#include "daemon/scripts.h"

#define ERRMSG_MAX 600

// ---- from VICI to settings ----

// The elements of a message, or of a section of it, into the section at hand.
static void feed(struct build *b, span_t elements)
{
    struct vici_reader r = vici_reader_from(elements);
    struct vici_item i = {.type = VICI_LIST_START};
    span_t list = {0};
    while (vici_next(&r, &i) == ERR_OK && i.type != VICI_END) {
        if (i.type == VICI_SECTION_START) build_open(b, i.name);
        if (i.type == VICI_SECTION_END) build_close(b);
        if (i.type == VICI_LIST_START) list = i.name;
        if (i.type == VICI_LIST_ITEM) build_set(b, list, i.value);
        if (i.type == VICI_KEY_VALUE) build_set(b, i.name, i.value);
    }
}

// Sections that swanctl.conf has in `section`. NULL: answered.
static struct config *read_sections(const struct iked *d, struct vici_call *call,
                                    const char *section, span_t args)
{
    struct conf_issues issues = {0};
    struct config *c = NULL;
    char text[ERRMSG_MAX];
    struct build *b = build_new();
    if (!b) {
        commands_result(call, err_text(ERR_NOMEM));
        return NULL;
    }
    if (d->options.legacy) build_take_legacy(b);
    build_open(b, span_str(section));
    feed(b, args);
    build_close(b);
    if (build_finish(b, &c, &issues) != ERR_OK) {
        build_show(&issues, text, sizeof text);
        log_say(LOG_WARN, "conf", "loading %s failed: %s", section, text);
        commands_result(call, text);
    }
    conf_issues_done(&issues);
    return c;
}

static void done(struct iked *d, struct vici_call *call, const struct config *names)
{
    struct vici_msg m = {0};
    vici_kv(&m, "success", "yes");
    loaded_changed(d, call, &m, names);
}

// Takes c.
static void add(struct iked *d, struct vici_call *call, struct config *c)
{
    struct config *mine = config_hold(c);
    err_t err = parts_add(loaded_parts(d), c);
    if (err == ERR_OK) done(d, call, mine);
    if (err != ERR_OK) commands_result(call, err_text(err));
    config_free(mine);
}

// A name that must be there. false: answered.
static bool read_name(struct vici_call *call, span_t args, const char *key, const char *what,
                      char out[COMMAND_NAME_MAX])
{
    char text[ERRMSG_MAX];
    if (commands_str(args, key, out) && out[0]) return true;
    (void)snprintf(text, sizeof text, "missing %s", what);
    commands_result(call, text);
    return false;
}

static void unload(struct iked *d, struct vici_call *call, enum parts_kind kind, const char *name,
                   const char *what)
{
    char text[ERRMSG_MAX];
    if (parts_drop(loaded_parts(d), kind, name)) {
        log_say(LOG_INFO, "conf", "unloaded %s '%s'", what, name);
        done(d, call, NULL);
        return;
    }
    (void)snprintf(text, sizeof text, "%s '%s' not found for unloading", what, name);
    commands_result(call, text);
}

// ---- connections ----

// Scripts run with all rights, so only those that the configuration file names do (scripts.h).
static bool scripts_known(struct iked *d, struct vici_call *call, const struct config *c)
{
    char text[ERRMSG_MAX];
    const struct conf_conn *conn = c->conn;
    for (unsigned i = 0; i < c->conn_n; i++, conn++) {
        for (unsigned k = 0; k < conn->child_n; k++) {
            const char *script = conn->child[k].updown;
            if (!script || loaded_script(d, script)) continue;
            (void)snprintf(text, sizeof text,
                           "%s.children.%s.updown: no child in %s names the command '%s'; name it "
                           "there%s",
                           conn->name, conn->child[k].name, d->options.config, script,
                           d->scripts ? "" : ", then restart pavise-iked");
            commands_result(call, text);
            return false;
        }
    }
    return true;
}

void commands_load_conn(void *ctx, struct vici_call *call, span_t args)
{
    struct iked *d = ctx;
    struct config *c = read_sections(d, call, "connections", args);
    if (!c) return;
    if (c->conn_n == 0) {
        commands_result(call, "missing connection: one section, named after it, is expected");
        config_free(c);
        return;
    }
    if (!scripts_known(d, call, c)) {
        config_free(c);
        return;
    }
    for (unsigned i = 0; i < c->conn_n; i++) {
        log_say(LOG_INFO, "conf", "loaded connection '%s'", c->conn[i].name);
    }
    add(d, call, c);
}

void commands_unload_conn(void *ctx, struct vici_call *call, span_t args)
{
    struct iked *d = ctx;
    char name[COMMAND_NAME_MAX];
    if (!read_name(call, args, "name", "connection name", name)) return;
    unload(d, call, PARTS_CONN, name, "connection");
}

// ---- secrets ----

// Every owner is an entry of its own: there may be commas in a name.
static void feed_owners(struct build *b, span_t args)
{
    struct vici_reader r = vici_reader_from(args);
    struct vici_item i = {.type = VICI_LIST_START};
    bool ours = false;
    unsigned n = 0;
    while (vici_next(&r, &i) == ERR_OK && i.type != VICI_END) {
        char key[16];
        if (i.type == VICI_LIST_START) ours = r.depth == 0 && span_eq(i.name, span_str("owners"));
        if (i.type != VICI_LIST_ITEM || !ours) continue;
        (void)snprintf(key, sizeof key, "id%u", ++n);
        build_set(b, span_str(key), i.value);
    }
}

// "id" by which it is replaced, unloaded and listed; without one, what it is made of.
static const char *shared_name(span_t args, const char *kind, char out[COMMAND_NAME_MAX])
{
    if (commands_str(args, "id", out) && out[0]) return out;
    uint64_t sum = 14695981039346656037ULL; // FNV-1a: the same again is the same one
    for (size_t i = 0; i < args.len; i++) sum = (sum ^ args.at[i]) * 1099511628211ULL;
    (void)snprintf(out, COMMAND_NAME_MAX, "%s-%016llx", kind, (unsigned long long)sum);
    return out;
}

// The bytes as they are: swanctl.conf would read "0x..." in them, so they are written like that.
static void feed_secret(struct build *b, span_t data)
{
    char hex[2 * SECRET_MAX + 5] = "0x";
    size_t n =
        data.len > SECRET_MAX ? SECRET_MAX + 1 : data.len; // too long is said by who reads it
    for (size_t i = 0; i < n; i++) (void)snprintf(hex + 2 + 2 * i, 3, "%02x", data.at[i]);
    build_set(b, span_str("secret"), span(hex, 2 + 2 * n));
    wipe(hex, sizeof hex);
}

// The one that is there; NULL: none.
static struct conf_psk *shared_of(const struct config *c)
{
    if (c->psk_n) return c->psk;
    if (c->eap_n) return c->eap;
    if (c->ntlm_n) return c->ntlm;
    return c->ppk_n ? c->ppk : NULL;
}

static struct config *read_shared(struct vici_call *call, span_t args, const char *kind,
                                  span_t data)
{
    struct conf_issues issues = {0};
    struct config *c = NULL;
    char text[ERRMSG_MAX], name[COMMAND_NAME_MAX];
    struct build *b = build_new();
    if (!b) {
        commands_result(call, err_text(ERR_NOMEM));
        return NULL;
    }
    build_open(b, span_str("secrets"));
    build_open(b, span_str(kind));
    if (data.len) feed_secret(b, data);
    feed_owners(b, args);
    if (build_finish(b, &c, &issues) != ERR_OK) {
        build_show(&issues, text, sizeof text);
        commands_result(call, text);
    } else if (shared_of(c)) {
        struct conf_psk *key = shared_of(c);
        (void)shared_name(args, kind, name);
        key->name = arena_str(&c->arena, name, strlen(name));
        if (!key->name) {
            commands_result(call, err_text(ERR_NOMEM));
            config_free(c);
            c = NULL;
        }
    }
    conf_issues_done(&issues);
    return c;
}

void commands_load_shared(void *ctx, struct vici_call *call, span_t args)
{
    static const char *const kinds[] = {"ike", "eap", "xauth", "ntlm", "ppk", NULL};
    char type[COMMAND_NAME_MAX], text[ERRMSG_MAX];
    span_t data = {0};
    if (!read_name(call, args, "type", "shared key type", type)) return;
    const char *const *kind = kinds;
    while (*kind && strcasecmp(*kind, type) != 0) kind++;
    if (!*kind) {
        (void)snprintf(text, sizeof text,
                       "invalid shared key type: '%s'; one of IKE, EAP, XAUTH, "
                       "NTLM, PPK",
                       type);
        commands_result(call, text);
        return;
    }
    if (vici_get(args, "data", &data) != ERR_OK || !data.len) {
        commands_result(call, "missing shared key data");
        return;
    }
    struct config *c = read_shared(call, args, *kind, data);
    if (c) add(ctx, call, c);
}

void commands_unload_shared(void *ctx, struct vici_call *call, span_t args)
{
    char name[COMMAND_NAME_MAX];
    if (!read_name(call, args, "id", "shared key id", name)) return;
    static const enum parts_kind kinds[] = {PARTS_PPK, PARTS_EAP, PARTS_NTLM};
    for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if (!parts_drop(loaded_parts(ctx), kinds[k], name)) continue;
        done(ctx, call, NULL);
        return;
    }
    unload(ctx, call, PARTS_SHARED, name, "shared key");
}

// ---- private keys ----

void commands_load_key(void *ctx, struct vici_call *call, span_t args)
{
    struct why why = {0};
    struct config *c;
    struct vici_msg m = {0};
    char name[KEY_NAME_MAX], type[COMMAND_NAME_MAX], text[ERRMSG_MAX];
    span_t data = {0};
    if (!read_name(call, args, "type", "private key type", type)) return;
    if (vici_get(args, "data", &data) != ERR_OK || !data.len) {
        commands_result(call, "missing private key data");
        return;
    }
    err_t err = build_key(data, &c, &why);
    if (err == ERR_OK) {
        (void)key_name(c->creds->keys->key, name);
        err = parts_add(loaded_parts(ctx), c);
    }
    if (err != ERR_OK) {
        (void)snprintf(text, sizeof text,
                       "this is no private key: %s; PEM or DER without a "
                       "passphrase is expected",
                       why.text[0] ? why.text : err_text(err));
        commands_result(call, text);
        return;
    }
    log_say(LOG_INFO, "conf", "loaded private key %s", name);
    vici_kv(&m, "success", "yes");
    vici_kv(&m, "id", "%s", name);
    loaded_changed(ctx, call, &m, NULL);
}

void commands_unload_key(void *ctx, struct vici_call *call, span_t args)
{
    char name[COMMAND_NAME_MAX];
    if (!read_name(call, args, "id", "private key id", name)) return;
    unload(ctx, call, PARTS_KEY, name, "private key");
}

void commands_no_token(void *ctx, struct vici_call *call, span_t args)
{
    (void)ctx, (void)args;
    commands_result(call, "private keys on tokens are not supported; put the key into a file in "
                          "swanctl's folder private");
}

// ---- certificates ----

// As strongSwan: what it is, and of certificates whose.
static bool cert_kind(const char *type, const char *flag, enum build_kind *out)
{
    static const struct {
        const char *type, *flag;
        enum build_kind kind;
    } kinds[] = {{"X509", "", BUILD_CERT},         {"X509", "NONE", BUILD_CERT},
                 {"X509", "CA", BUILD_CA},         {"X509", "OCSP", BUILD_OCSP},
                 {"X509", "AA", BUILD_AA},         {"X509_AC", "", BUILD_ACERT},
                 {"X509_AC", "NONE", BUILD_ACERT}, {"X509_CRL", "", BUILD_CRL},
                 {"X509_CRL", "NONE", BUILD_CRL},  {"PUBKEY", "", BUILD_PUBKEY},
                 {"PUBKEY", "NONE", BUILD_PUBKEY}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcasecmp(type, kinds[i].type) != 0 || strcasecmp(flag, kinds[i].flag) != 0) continue;
        *out = kinds[i].kind;
        return true;
    }
    return false;
}

// Nobody else would take such a certificate either. Gives *c back if it is refused.
static err_t refuse_critical(const struct iked *d, struct config **c, struct why *why)
{
    const struct creds *all = (*c)->creds;
    const struct cred_cert *l = all->certs ? all->certs
                                : all->cas ? all->cas
                                : all->aas ? all->aas
                                           : all->ocsp;
    char oid[CERT_OID_MAX];
    if (!l || !d->strongswan.enforce_critical || !cert_critical(l->cert, oid)) return ERR_OK;
    log_say(LOG_WARN, "cert", SAY_CRITICAL, oid);
    log_say(LOG_WARN, "cert", SAY_CERT_UNFIT);
    config_free(*c);
    *c = NULL;
    return why_not(why, ERR_UNSUPPORTED,
                   "its critical extension '%s' is not understood; have it issued without, or set "
                   "charon.x509.enforce_critical = no in strongswan.conf",
                   oid);
}

void commands_load_cert(void *ctx, struct vici_call *call, span_t args)
{
    struct why why = {0};
    struct config *c;
    enum build_kind kind;
    char type[COMMAND_NAME_MAX], flag[COMMAND_NAME_MAX], text[ERRMSG_MAX];
    span_t data = {0};
    bool ok = commands_str(args, "type", type) && commands_str(args, "flag", flag);
    if (!ok || !cert_kind(type, flag, &kind)) {
        (void)snprintf(
            text, sizeof text,
            "type '%.40s' with flag '%.40s' is not supported: X509 (flag NONE, CA, AA or "
            "OCSP), X509_AC, X509_CRL and PUBKEY are",
            type, flag);
        commands_result(call, text);
        return;
    }
    if (vici_get(args, "data", &data) != ERR_OK || !data.len) {
        commands_result(call, "missing certificate data");
        return;
    }
    if (build_cert(kind, data, &c, &why) != ERR_OK || refuse_critical(ctx, &c, &why) != ERR_OK) {
        (void)snprintf(text, sizeof text, "this %s is refused: %s", type, why.text);
        commands_result(call, text);
        return;
    }
    add(ctx, call, c);
}

void commands_clear_creds(void *ctx, struct vici_call *call, span_t args)
{
    (void)args;
    parts_clear_creds(loaded_parts(ctx));
    done(ctx, call, NULL);
}

// ---- pools ----

// Two clients must not get the same address.
static bool pools_apart(struct iked *d, struct vici_call *call, const struct config *c)
{
    char text[ERRMSG_MAX];
    for (unsigned i = 0; i < c->pool_n; i++) {
        const struct conf_pool *other = parts_pool_at(loaded_parts(d), &c->pool[i]);
        if (!other) continue;
        (void)snprintf(text, sizeof text,
                       "%s.addrs: pool '%s' has addresses of these, too: two clients could get the "
                       "same; give each pool addresses of its own",
                       c->pool[i].name, other->name);
        commands_result(call, text);
        return false;
    }
    return true;
}

void commands_load_pool(void *ctx, struct vici_call *call, span_t args)
{
    struct config *c = read_sections(ctx, call, "pools", args);
    if (!c) return;
    if (c->pool_n == 0) {
        commands_result(call, "missing pool: one section, named after it, is expected");
        config_free(c);
        return;
    }
    if (pools_apart(ctx, call, c)) {
        add(ctx, call, c);
    } else {
        config_free(c);
    }
}

struct pool_in_use {
    const char *name;
    unsigned online;
};

static void note_online(void *ctx, const struct pool_view *v)
{
    struct pool_in_use *p = ctx;
    if (strcmp(v->name, p->name) == 0) p->online = v->online;
}

void commands_unload_pool(void *ctx, struct vici_call *call, span_t args)
{
    struct iked *d = ctx;
    char name[COMMAND_NAME_MAX], text[ERRMSG_MAX];
    if (!read_name(call, args, "name", "pool name", name)) return;
    struct pool_in_use used = {.name = name};
    struct pools *pools = ike_pools(d->ike);
    if (pools) pools_each(pools, note_online, &used);
    if (used.online) {
        (void)snprintf(text, sizeof text,
                       "pool '%s' has %u address%s in use; terminate their SAs "
                       "first",
                       name, used.online, used.online == 1 ? "" : "es");
        commands_result(call, text);
        return;
    }
    unload(d, call, PARTS_POOL, name, "pool");
}

// ---- authorities ----

void commands_load_authority(void *ctx, struct vici_call *call, span_t args)
{
    struct config *c = read_sections(ctx, call, "authorities", args);
    if (!c) return;
    if (!c->creds->authorities) {
        commands_result(call, "missing authority: one section, named after it, is expected");
        config_free(c);
        return;
    }
    add(ctx, call, c);
}

void commands_unload_authority(void *ctx, struct vici_call *call, span_t args)
{
    char name[COMMAND_NAME_MAX];
    if (!read_name(call, args, "name", "authority name", name)) return;
    unload(ctx, call, PARTS_AUTHORITY, name, "authority");
}

// ---- names of what is loaded ----

static void put_name(void *ctx, const char *name)
{
    vici_item(ctx, "%s", name);
}

static void list_names(struct iked *d, struct vici_call *call, unsigned kinds, const char *list)
{
    struct vici_msg m = {0};
    vici_list(&m, list);
    for (enum parts_kind k = 0; k < PARTS_KINDS; k++) {
        if (kinds & 1U << k) parts_each(loaded_parts(d), k, put_name, &m);
    }
    vici_list_end(&m);
    vici_answer(call, &m);
}

void commands_get_conns(void *ctx, struct vici_call *call, span_t args)
{
    (void)args;
    list_names(ctx, call, 1U << PARTS_CONN, "conns");
}

void commands_get_shared(void *ctx, struct vici_call *call, span_t args)
{
    (void)args;
    unsigned kinds = 1U << PARTS_SHARED | 1U << PARTS_PPK | 1U << PARTS_EAP | 1U << PARTS_NTLM;
    list_names(ctx, call, kinds, "keys");
}

void commands_get_keys(void *ctx, struct vici_call *call, span_t args)
{
    (void)args;
    list_names(ctx, call, 1U << PARTS_KEY, "keys");
}

void commands_get_authorities(void *ctx, struct vici_call *call, span_t args)
{
    (void)args;
    list_names(ctx, call, 1U << PARTS_AUTHORITY, "authorities");
}
