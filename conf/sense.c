#include "conf/sense.h"

#include <string.h>

#include "base/text.h"
#include "conf/issue.h"

#define PAIRS_MAX \
    1000000UL        // secrets compared with identities or one another, pools with connections
#define NAMES_MAX 64 // identities offered to "did you mean"

// ---- secrets ----

static bool is_psk(const struct conf_conn *c)
{
    for (const struct conf_side *s = &c->local; s; s = s->next) {
        if (s->auth == CONF_AUTH_PSK) return true;
    }
    for (const struct conf_side *s = &c->remote; s; s = s->next) {
        if (s->auth == CONF_AUTH_PSK) return true;
    }
    return false;
}

static bool is_known(const struct conf_side *s)
{
    for (; s; s = s->next) {
        if (!s->id_given || id_is_pattern(&s->id) || s->id.type == ID_ANY) return false;
    }
    return true;
}

static const struct node *secret_node(const struct load *ld, const char *name)
{
    const struct node *all = tree_sub(ld->tree, ld->tree->root, "secrets");
    return all ? tree_sub(ld->tree, all, name) : NULL;
}

// Everybody who takes part in preshared keys; false: some are not known before they call.
struct people {
    const struct id **id;
    unsigned n, conns;
    bool all_known;
};

static void people_add(struct people *p, const struct conf_side *s)
{
    for (; s; s = s->next) p->id[p->n++] = &s->id;
}

static bool people_find(struct load *ld, struct people *p)
{
    *p = (struct people){.all_known = true};
    p->id = arena_array(&ld->tree->arena, 2UL * CONF_SIDES_MAX * ld->out->conn_n, sizeof *p->id);
    for (unsigned i = 0; p->id && i < ld->out->conn_n; i++) {
        const struct conf_conn *c = &ld->out->conn[i];
        if (!is_psk(c)) continue;
        p->conns++;
        p->all_known &= is_known(&c->local) && is_known(&c->remote);
        people_add(p, &c->local);
        people_add(p, &c->remote);
    }
    if (!p->id && ld->out->conn_n) ld->nomem = true;
    return p->id != NULL;
}

static bool owned_by_any(const struct conf_psk *psk, const struct people *p)
{
    for (unsigned k = 0; k < psk->owner_n; k++) {
        for (unsigned i = 0; i < p->n; i++) {
            if (id_match(&psk->owner[k], p->id[i])) return true;
        }
    }
    return false;
}

static void warn_unused(struct load *ld, const struct node *n, const struct conf_psk *psk,
                        const struct people *p)
{
    const char *names[NAMES_MAX + 1] = {0};
    char owner[ID_TEXT_MAX], text[ID_TEXT_MAX];
    for (unsigned i = 0; i < p->n && i < NAMES_MAX; i++) {
        (void)id_show(p->id[i], text);
        names[i] = arena_str(&ld->tree->arena, text, strlen(text));
        if (!names[i]) break;
    }
    const char *near = nearest(id_show(&psk->owner[0], owner), names);
    issue_warn(ld->issues, n->at, n->name,
               "the secret '%s' is never used: no connection speaks of '%s'", n->name, owner);
    if (near) issue_hint(ld->issues, "did you mean id = %s?", near);
    if (!near) issue_hint(ld->issues, "name an end of a connection, or remove this section");
}

static bool same_owners(const struct conf_psk *a, const struct conf_psk *b)
{
    if (a->owner_n != b->owner_n) return false;
    for (unsigned i = 0; i < a->owner_n; i++) {
        if (!id_eq(&a->owner[i], &b->owner[i])) return false;
    }
    return true;
}

static bool same_secret(const struct conf_psk *a, const struct conf_psk *b)
{
    return a->secret.len == b->secret.len &&
           (a->secret.len == 0 || memcmp(a->secret.at, b->secret.at, a->secret.len) == 0);
}

static void check_twins(struct load *ld, unsigned i)
{
    const struct conf_psk *all = ld->out->psk;
    for (unsigned k = 0; k < i; k++) {
        const struct node *n = secret_node(ld, all[i].name);
        if (!n || !same_owners(&all[i], &all[k]) || same_secret(&all[i], &all[k])) continue;
        issue_warn(ld->issues, n->at, n->name,
                   "'%s' and '%s' are different secrets of the same owners", n->name, all[k].name);
        issue_hint(ld->issues, "remove one of the two, or name other owners");
        return;
    }
}

static void check_owners(struct load *ld, unsigned i, const struct people *p)
{
    const struct conf_psk *psk = &ld->out->psk[i];
    const struct node *n = secret_node(ld, psk->name);
    if (!n) return;
    if (psk->owner_n == 0 && (ld->out->psk_n > 1 || p->conns > 1)) {
        issue_warn(ld->issues, n->at, n->name, "the secret '%s' has no owner: it is every peer's",
                   n->name);
        issue_hint(ld->issues, "write id = and the identity of the one peer that has it");
    }
    if (psk->owner_n && p->conns && p->all_known && !owned_by_any(psk, p)) {
        warn_unused(ld, n, psk, p);
    }
}

static void check_secrets(struct load *ld)
{
    struct people p;
    unsigned n = ld->out->psk_n;
    if (ld->loose || n == 0 || !people_find(ld, &p)) return;
    if ((size_t)n * p.n > PAIRS_MAX || (size_t)n * n > PAIRS_MAX) return;
    for (unsigned i = 0; i < n; i++) {
        check_owners(ld, i, &p);
        check_twins(ld, i);
    }
}

static bool has_ppk(const struct config *c, const struct id *wanted)
{
    for (unsigned i = 0; i < c->ppk_n; i++) {
        for (unsigned k = 0; k < c->ppk[i].owner_n; k++) {
            const struct id *id = &c->ppk[i].owner[k];
            if (id->len == wanted->len && memcmp(id->data, wanted->data, id->len) == 0) return true;
        }
    }
    return false;
}

static void check_ppk(struct load *ld, const struct node *n, const struct conf_conn *c)
{
    bool named = c->ppk_id.type != ID_ANY && !id_is_pattern(&c->ppk_id);
    if (ld->loose || !named || has_ppk(ld->out, &c->ppk_id)) return;
    struct place at = schema_place(ld, n, "ppk_id");
    const struct setting *s = schema_written(ld, n, "ppk_id");
    const char *token = s ? s->value.text : "ppk_id";
    issue_warn(ld->issues, at, token, "no secret is named '%s': %s", token,
               c->ppk_required ? "without it nobody gets in" : "it goes on without");
    issue_hint(ld->issues, "write secrets { ppk-1 { id = %s, and a secret } }", token);
}

// ---- sides ----

// What proves nothing is asked for nothing.
static void check_side(struct load *ld, const struct node *n, const struct conf_side *s)
{
    static const char *const keys[] = {"certs", "cacerts", "ca_id",      "pubkeys",
                                       "cert",  "cacert",  "cert_policy"};
    if (!n || s->auth == CONF_AUTH_PUBKEY || s->auth == CONF_AUTH_EAP) return;
    const char *auth = s->auth == CONF_AUTH_PSK ? "psk" : "null";
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const struct setting *set = schema_written(ld, n, keys[i]);
        const struct node *sub = tree_sub(ld->tree, n, keys[i]);
        if (!set && !sub) continue;
        issue_warn(ld->issues, set ? set->at : sub->at, keys[i],
                   "'%s' has no meaning where auth = %s", keys[i], auth);
        issue_hint(ld->issues, "remove it, or write auth = pubkey");
    }
}

static void check_sides(struct load *ld, const struct origin *o, const struct conf_conn *c)
{
    const struct conf_side *s = &c->local;
    for (unsigned i = 0; s; s = s->next) check_side(ld, o->local[i++], s);
    s = &c->remote;
    for (unsigned i = 0; s; s = s->next) check_side(ld, o->remote[i++], s);
}

// ---- addresses ----

// The one family of all of them; AF_UNSPEC: both, or not known yet.
static uint16_t family_of(const struct conf_host *h, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        if (h[i].family != h[0].family) return AF_UNSPEC;
    }
    return n ? h[0].family : AF_UNSPEC;
}

static bool is_single(const struct conf_host *h)
{
    return !h->any && !h->name && ip_eq(&h->lo, &h->hi);
}

static const char *family_name(uint16_t family)
{
    return family == AF_INET ? "IPv4" : "IPv6";
}

static void check_ends(struct load *ld, const struct node *n, const struct conf_conn *c)
{
    uint16_t here = family_of(c->local_addr, c->local_addr_n);
    uint16_t there = family_of(c->remote_addr, c->remote_addr_n);
    if (here != AF_UNSPEC && there != AF_UNSPEC && here != there) {
        issue_error(ld->issues, schema_place(ld, n, "remote_addrs"), "remote_addrs",
                    "no packet goes from %s (local_addrs) to %s (remote_addrs)", family_name(here),
                    family_name(there));
        issue_hint(ld->issues, "write addresses of one family, or leave local_addrs out");
    }
    if (c->local_addr_n != 1 || c->remote_addr_n != 1) return;
    const struct conf_host *a = c->local_addr, *b = c->remote_addr;
    if (!is_single(a) || !is_single(b) || !ip_eq(&a->lo, &b->lo)) return;
    issue_warn(ld->issues, schema_place(ld, n, "remote_addrs"), "remote_addrs",
               "local_addrs and remote_addrs are the same address");
    issue_hint(ld->issues, "remote_addrs is the peer's");
}

static bool can_be_called(const struct conf_conn *c)
{
    for (unsigned i = 0; i < c->remote_addr_n; i++) {
        if (c->remote_addr[i].name || is_single(&c->remote_addr[i])) return true;
    }
    return false;
}

// ---- children ----

static bool all_dynamic(const struct conf_ts *ts, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (!ts[i].dynamic) return false;
    }
    return true;
}

static void check_shunt(struct load *ld, const struct node *n, const struct conf_child *c)
{
    if (!all_dynamic(c->local_ts, c->local_n) || !all_dynamic(c->remote_ts, c->remote_n)) return;
    issue_error(ld->issues, n->at, n->name, "nothing says which packets '%s' %s", n->name,
                c->mode == CONF_PASS ? "lets pass" : "drops");
    issue_hint(ld->issues, "write local_ts and remote_ts; 0.0.0.0/0, ::/0 are all packets");
}

static void check_start(struct load *ld, const struct node *n, const struct conf_conn *c,
                        const struct conf_child *f)
{
    bool trap = f->start_action == CONF_TRAP || f->start_action == CONF_TRAP_START;
    bool start = f->start_action == CONF_START || f->start_action == CONF_TRAP_START;
    if (trap && !f->policies) {
        issue_error(ld->issues, schema_place(ld, n, "start_action"), "start_action",
                    "a trap is a policy, and policies = no forbids it");
        issue_hint(ld->issues, "remove policies = no, or write start_action = start");
    }
    if (!start || can_be_called(c)) return;
    issue_warn(ld->issues, schema_place(ld, n, "start_action"), "start_action",
               "'%s' cannot be started: remote_addrs names nobody who could be called", n->name);
    issue_hint(ld->issues, "write the peer's address or name, or leave start_action out");
}

static void check_child(struct load *ld, const struct node *n, const struct conf_conn *c,
                        const struct conf_child *f)
{
    if (f->mode == CONF_PASS || f->mode == CONF_DROP) {
        check_shunt(ld, n, f);
    } else {
        check_start(ld, n, c, f);
    }
}

// ---- pools ----

static void ip_step(ip_t *at)
{
    for (unsigned i = ip_len(at->family); i-- && ++at->b[i] == 0;) continue;
}

// Addresses of a pool; no more than are asked for.
static size_t pool_size(const struct conf_pool *p, size_t max)
{
    size_t n = 1;
    for (ip_t at = p->lo; n < max && !ip_eq(&at, &p->hi); n++) ip_step(&at);
    return n;
}

static void check_pool(struct load *ld, const struct node *n, const struct conf_pool *p)
{
    size_t clients = 0;
    for (unsigned i = 0; i < ld->out->conn_n; i++) {
        const struct conf_conn *c = &ld->out->conn[i];
        bool names = false;
        for (unsigned k = 0; k < c->pool_n; k++) names |= strcmp(c->pool[k], p->name) == 0;
        if (names) clients += is_known(&c->remote) ? 1 : 2; // of the latter two at least
    }
    size_t size = clients > 1 ? pool_size(p, clients) : clients;
    if (size >= clients) return;
    issue_warn(ld->issues, schema_place(ld, n, "addrs"), "addrs",
               "pool '%s' has %zu address%s, and there can be more clients", p->name, size,
               size == 1 ? "" : "es");
    issue_hint(ld->issues, "write a larger network, as in 10.3.0.0/16");
}

static void check_pools(struct load *ld)
{
    const struct node *all = tree_sub(ld->tree, ld->tree->root, "pools");
    const struct node *n = all ? all->subs : NULL;
    if ((size_t)ld->out->pool_n * ld->out->conn_n > PAIRS_MAX) return;
    for (unsigned i = 0; n && i < ld->out->pool_n; i++, n = n->next) {
        const struct conf_pool *p = &ld->out->pool[i];
        if (p->lo.family != AF_UNSPEC) check_pool(ld, n, p);
    }
}

void sense_check(struct load *ld)
{
    for (unsigned i = 0; i < ld->out->conn_n; i++) {
        const struct conf_conn *c = &ld->out->conn[i];
        const struct origin *o = &ld->origin[i];
        check_ends(ld, o->conn, c);
        check_sides(ld, o, c);
        check_ppk(ld, o->conn, c);
        for (unsigned k = 0; k < c->child_n; k++) check_child(ld, o->child[k], c, &c->child[k]);
    }
    check_secrets(ld);
    check_pools(ld);
}
