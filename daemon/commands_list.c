// commands_list.c - the commands that look: list-conns, list-policies, get-*.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf/creds.h"
#include "crypto/ke.h"
#include "crypto/sealer.h"
#include "daemon/commands.h"
#include "daemon/conf_show.h"
#include "daemon/loaded.h"
#include "daemon/sa_show.h"

static void answer_empty(struct vici_call *call)
{
    struct vici_msg m = {0};
    vici_answer(call, &m);
}

// ---- list-conns, list-policies ----

void commands_list_conns(void *ctx, struct vici_call *call, span_t args)
{
    loaded_settle(ctx);
    const struct config *c = ((struct iked *)ctx)->config;
    char ike[COMMAND_NAME_MAX];
    bool ok = commands_str(args, "ike", ike);
    for (unsigned i = 0; ok && i < c->conn_n && !vici_call_gone(call); i++) {
        if (ike[0] && strcmp(ike, c->conn[i].name) != 0) continue;
        struct vici_msg m = {0};
        conf_show_conn(&m, &c->conn[i]);
        vici_call_event(call, "list-conn", &m);
        vici_msg_done(&m);
    }
    answer_empty(call);
}

struct policy_list {
    struct iked *d;
    struct vici_call *call;
    bool trap, pass, drop;
    char ike[COMMAND_NAME_MAX], child[COMMAND_NAME_MAX];
};

// Policies that stand without an SA: traps, and what passes or is dropped.
static bool policy_wanted(const struct policy_list *l, const struct conf_conn *c,
                          const struct conf_child *k, uint32_t *reqid)
{
    if (!ike_installed(l->d->ike, c->name, k->name, reqid)) return false;
    if (l->ike[0] && strcmp(l->ike, c->name) != 0) return false;
    if (l->child[0] && strcmp(l->child, k->name) != 0) return false;
    switch (k->mode) {
    case CONF_PASS:
        return l->pass;
    case CONF_DROP:
        return l->drop;
    case CONF_TUNNEL:
    case CONF_TRANSPORT:
    case CONF_BEET:
    case CONF_IPTFS:
        return l->trap;
    }
    return false;
}

static void list_policies_of(const struct policy_list *l, const struct conf_conn *c)
{
    for (unsigned i = 0; i < c->child_n; i++) {
        uint32_t reqid = 0;
        if (!policy_wanted(l, c, &c->child[i], &reqid)) continue;
        struct vici_msg m = {0};
        conf_show_policy(&m, c, &c->child[i], reqid);
        vici_call_event(l->call, "list-policy", &m);
        vici_msg_done(&m);
    }
}

void commands_list_policies(void *ctx, struct vici_call *call, span_t args)
{
    loaded_settle(ctx);
    const struct config *c = ((struct iked *)ctx)->config;
    struct policy_list l = {.d = ctx,
                            .call = call,
                            .trap = commands_yes(args, "trap"),
                            .pass = commands_yes(args, "pass"),
                            .drop = commands_yes(args, "drop")};
    bool ok = commands_str(args, "ike", l.ike) && commands_str(args, "child", l.child);
    for (unsigned i = 0; ok && i < c->conn_n && !vici_call_gone(call); i++) {
        list_policies_of(&l, &c->conn[i]);
    }
    answer_empty(call);
}

// ---- get-* ----

// Who does it here. A cipher and a MAC go together: each is asked for with the most common partner.
static const char *provider_of(const struct alg *a)
{
    const char *by = "openssl"; // what no other library does
    if (a->type == ALG_ENCR)
        by = sealer_would(a, a->aead ? NULL : alg_find(ALG_INTEG, INTEG_HMAC_SHA2_256_128, 0));
    if (a->type == ALG_INTEG) by = sealer_would(alg_find(ALG_ENCR, ENCR_AES_CBC, 0), a);
    if (a->type == ALG_KE) by = ke_provider(a->id);
    return by ? by : "none";
}

static void put_algorithms(struct vici_msg *m, const char *section, enum alg_type type, bool aead)
{
    size_t n;
    const struct alg *all = alg_all(&n);
    vici_section(m, section);
    for (size_t i = 0; i < n; i++) {
        if (all[i].type != type || all[i].aead != aead) continue;
        // One line for all key sizes of a cipher: they stand next to each other.
        if (i && all[i - 1].type == type && all[i - 1].id == all[i].id) continue;
        vici_kv(m, all[i].name, "%s", provider_of(&all[i]));
    }
    vici_section_end(m);
}

static void put_words(struct vici_msg *m, const char *section, const char *const *words)
{
    vici_section(m, section);
    for (; *words; words++) vici_kv(m, *words, "openssl");
    vici_section_end(m);
}

void commands_get_algorithms(void *ctx, struct vici_call *call, span_t args)
{
    static const char *const hashes[] = {"HASH_IDENTITY", "HASH_SHA1",     "HASH_SHA2_256",
                                         "HASH_SHA2_384", "HASH_SHA2_512", NULL};
    static const char *const kdfs[] = {"KDF_PRF", "KDF_PRF_PLUS", NULL};
    static const char *const rngs[] = {"RNG_WEAK", "RNG_STRONG", "RNG_TRUE", NULL};
    static const char *const nonces[] = {"NONCE_GEN", NULL};
    struct vici_msg m = {0};
    (void)ctx, (void)args;
    put_algorithms(&m, "encryption", ALG_ENCR, false);
    put_algorithms(&m, "integrity", ALG_INTEG, false);
    put_algorithms(&m, "aead", ALG_ENCR, true);
    put_words(&m, "hasher", hashes);
    put_algorithms(&m, "prf", ALG_PRF, false);
    put_words(&m, "kdf", kdfs);
    put_algorithms(&m, "ke", ALG_KE, false);
    put_words(&m, "rng", rngs);
    put_words(&m, "nonce-gen", nonces);
    vici_answer(call, &m);
}

// ---- list-authorities ----

static void put_uris(struct vici_msg *m, const char *key, const char *const *uris, unsigned n)
{
    vici_list(m, key);
    for (unsigned i = 0; i < n; i++) vici_item(m, "%s", uris[i]);
    vici_list_end(m);
}

void commands_list_authorities(void *ctx, struct vici_call *call, span_t args)
{
    char name[COMMAND_NAME_MAX], id[ID_TEXT_MAX];
    loaded_settle(ctx);
    bool ok = commands_str(args, "name", name);
    const struct cred_authority *a = ((struct iked *)ctx)->config->creds->authorities;
    for (; ok && a && !vici_call_gone(call); a = a->next) {
        if (name[0] && strcmp(name, a->name) != 0) continue;
        struct vici_msg m = {0};
        vici_section(&m, a->name);
        bool named = a->cert && cert_id_count(a->cert);
        vici_kv(&m, "cacert", "%s", named ? id_show(cert_id_at(a->cert, 0), id) : "");
        put_uris(&m, "crl_uris", a->crl, a->crl_n);
        put_uris(&m, "ocsp_uris", a->ocsp, a->ocsp_n);
        if (a->cert_uri_base) vici_kv(&m, "cert_uri_base", "%s", a->cert_uri_base);
        vici_section_end(&m);
        vici_call_event(call, "list-authority", &m);
        vici_msg_done(&m);
    }
    answer_empty(call);
}

// ---- get-pools ----

struct pool_list {
    struct pools *pools;
    struct vici_msg m;
    char name[COMMAND_NAME_MAX]; // "": all
    bool leases;
    unsigned n;
};

static void list_lease(void *ctx, const struct lease_view *v)
{
    struct pool_list *l = ctx;
    char index[24], ip[IP_TEXT_MAX], id[ID_TEXT_MAX];
    (void)snprintf(index, sizeof index, "%u", l->n++);
    vici_section(&l->m, index);
    vici_kv(&l->m, "address", "%s", ip_show(&v->ip, ip));
    vici_kv(&l->m, "identity", "%s", id_show(&v->who, id));
    vici_kv(&l->m, "status", "%s", v->online ? "online" : "offline");
    vici_section_end(&l->m);
}

static void list_pool(void *ctx, const struct pool_view *v)
{
    struct pool_list *l = ctx;
    char ip[IP_TEXT_MAX];
    if (l->name[0] && strcmp(l->name, v->name) != 0) return;
    // strongSwan counts in 32 bits; readers of its answers may, too.
    uint64_t size = v->size > INT32_MAX ? INT32_MAX : v->size;
    vici_section(&l->m, v->name);
    vici_kv(&l->m, "base", "%s", ip_show(&v->first, ip));
    vici_kv(&l->m, "size", "%" PRIu64, size);
    vici_kv(&l->m, "online", "%u", v->online);
    vici_kv(&l->m, "offline", "%u", v->offline);
    if (l->leases) {
        l->n = 0;
        vici_section(&l->m, "leases");
        pools_each_lease(l->pools, v->name, list_lease, l);
        vici_section_end(&l->m);
    }
    vici_section_end(&l->m);
}

void commands_get_pools(void *ctx, struct vici_call *call, span_t args)
{
    loaded_settle(ctx);
    struct pool_list l = {.pools = ike_pools(((struct iked *)ctx)->ike),
                          .leases = commands_yes(args, "leases")};
    if (commands_str(args, "name", l.name)) pools_each(l.pools, list_pool, &l);
    vici_answer(call, &l.m);
}
