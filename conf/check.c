#include "conf/check.h"

#include <string.h>

#include "conf/issue.h"
#include "conf/owner.h"
#include "conf/pool.h"
#include "conf/sense.h"
#include "eap/eap.h"

#define PAIRS_MAX 2000000UL // children compared with one another: some 2000 children

// ---- lifetimes ----

struct limit {
    const char *rekey, *life, *spread;
    uint64_t rekey_v, life_v, spread_v;
};

static void check_limit(struct load *ld, const struct node *n, const struct limit *l)
{
    if (l->rekey_v && l->life_v && l->life_v <= l->rekey_v) {
        const char *which = schema_written(ld, n, l->life) ? l->life : l->rekey;
        issue_error(ld->issues, schema_place(ld, n, which), which,
                    "%s (%llu) must be greater than %s (%llu%s), or nothing is ever rekeyed",
                    l->life, (unsigned long long)l->life_v, l->rekey,
                    (unsigned long long)l->rekey_v,
                    schema_written(ld, n, l->rekey) ? "" : ", the default");
        issue_hint(ld->issues, "leave %s out: it becomes %s + 10 %%", l->life, l->rekey);
        return;
    }
    if (l->rekey_v == 0 || l->spread_v < l->rekey_v || !schema_written(ld, n, l->spread)) return;
    issue_warn(ld->issues, schema_place(ld, n, l->spread), l->spread,
               "%s (%llu) is not less than %s (%llu): rekeying could begin at once", l->spread,
               (unsigned long long)l->spread_v, l->rekey, (unsigned long long)l->rekey_v);
    issue_hint(ld->issues, "leave %s out", l->spread);
}

static void check_child_limits(struct load *ld, const struct node *n, const struct conf_child *c)
{
    check_limit(
        ld, n,
        &(struct limit){"rekey_time", "life_time", "rand_time", c->rekey_s, c->life_s, c->rand_s});
    check_limit(ld, n,
                &(struct limit){"rekey_bytes", "life_bytes", "rand_bytes", c->rekey_bytes,
                                c->life_bytes, c->rand_bytes});
    check_limit(ld, n,
                &(struct limit){"rekey_packets", "life_packets", "rand_packets", c->rekey_packets,
                                c->life_packets, c->rand_packets});
}

static void check_conn_times(struct load *ld, const struct node *n, const struct conf_conn *c)
{
    check_limit(ld, n,
                &(struct limit){"rekey_time", "over_time", "rand_time", c->rekey_s, 0, c->rand_s});
}

// ---- children ----

static bool is_shunt(const struct conf_child *c)
{
    return c->mode == CONF_PASS || c->mode == CONF_DROP;
}

static void check_transport(struct load *ld, const struct node *n, const struct conf_child *c)
{
    if (c->mode != CONF_TRANSPORT) return;
    for (unsigned i = 0; i < c->local_n; i++) {
        if (c->local_ts[i].dynamic || ip_eq(&c->local_ts[i].lo, &c->local_ts[i].hi)) continue;
        issue_warn(ld->issues, schema_place(ld, n, "local_ts"), "local_ts",
                   "transport mode protects two hosts, not networks");
        issue_hint(ld->issues, "leave local_ts and remote_ts out, or write mode = tunnel");
        return;
    }
}

// One address on each side stands in every packet's place: the SA puts it back.
static bool is_one(const struct conf_ts *ts, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        bool one = ts[i].dynamic || ip_eq(&ts[i].lo, &ts[i].hi);
        bool same = ts[i].dynamic == ts[0].dynamic && ip_eq(&ts[i].lo, &ts[0].lo);
        if (!one || !same) return false;
    }
    return true;
}

static void check_beet(struct load *ld, const struct node *n, const struct conf_child *c)
{
    if (c->mode != CONF_BEET) return;
    bool local = is_one(c->local_ts, c->local_n), remote = is_one(c->remote_ts, c->remote_n);
    if (local && remote) return;
    const char *key = local ? "remote_ts" : "local_ts";
    issue_error(ld->issues, schema_place(ld, n, key), key,
                "beet mode is for one address on each side");
    issue_hint(ld->issues, "write one address, as in 10.1.0.1, or mode = tunnel");
}

// AH covers the addresses and ports that a NAT changes, and hides nothing that padding could.
static void check_ah(struct load *ld, const struct node *n, const struct conf_conn *c,
                     const struct conf_child *f)
{
    if (!f->esp.ah) return;
    if (c->encap) {
        issue_error(ld->issues, schema_place(ld, n, "ah_proposals"), "ah_proposals",
                    "AH cannot travel in UDP, and this connection has encap = yes");
        issue_hint(ld->issues, "write encap = no, or esp_proposals in the place of ah_proposals");
    }
    if (f->tfc_padding) {
        issue_error(ld->issues, schema_place(ld, n, "tfc_padding"), "tfc_padding",
                    "AH packets are not padded: nothing in them is hidden");
        issue_hint(ld->issues, "remove tfc_padding, or write esp_proposals");
    }
}

static void check_ipcomp(struct load *ld, const struct node *n, const struct conf_child *c)
{
    if (!c->ipcomp) return;
    if (c->mode == CONF_BEET) {
        issue_error(ld->issues, schema_place(ld, n, "ipcomp"), "ipcomp",
                    "packets of beet mode cannot be compressed");
        issue_hint(ld->issues, "write mode = tunnel or mode = transport");
    }
    if (c->tfc_padding) {
        issue_error(ld->issues, schema_place(ld, n, "tfc_padding"), "tfc_padding",
                    "what ipcomp makes shorter cannot be padded: it is the tunnel, and not ESP");
        issue_hint(ld->issues, "remove tfc_padding or ipcomp");
    }
}

// An ESP packet holds pieces of several packets, which have their own padding; strongSwan's pages
// rule the same out.
static void check_iptfs(struct load *ld, const struct node *n, const struct conf_child *c)
{
    if (c->mode != CONF_IPTFS) return;
    if (c->ipcomp) {
        issue_error(ld->issues, schema_place(ld, n, "ipcomp"), "ipcomp",
                    "packets of iptfs mode cannot be compressed");
        issue_hint(ld->issues, "remove ipcomp, or write mode = tunnel");
    }
    if (c->tfc_padding) {
        issue_error(ld->issues, schema_place(ld, n, "tfc_padding"), "tfc_padding",
                    "iptfs mode pads by itself, and takes no other padding");
        issue_hint(ld->issues, "remove tfc_padding, or write mode = tunnel");
    }
    if (c->esp.ah) {
        issue_error(ld->issues, schema_place(ld, n, "ah_proposals"), "ah_proposals",
                    "iptfs mode is a kind of ESP (RFC 9347): AH has none");
        issue_hint(ld->issues,
                   "write esp_proposals in the place of ah_proposals, or mode = tunnel");
    }
}

static void check_shunt(struct load *ld, const struct node *n, const struct conf_child *c)
{
    if (!is_shunt(c)) return;
    if (c->start_action == CONF_START || c->start_action == CONF_TRAP_START) {
        issue_error(ld->issues, schema_place(ld, n, "start_action"), "start_action",
                    "a child that passes or drops packets cannot be started");
        issue_hint(ld->issues, "write start_action = trap");
    }
}

// ---- secrets ----

// strongSwan finds a key by either end's identity.
static bool has_secret(struct owners *all, const struct load *ld, const struct conf_conn *c)
{
    if (ld->out->psk_n == 0) return false;
    for (const struct conf_side *s = &c->remote; s; s = s->next) {
        if (!s->id_given || s->id.type == ID_ANY) return true; // nobody knows yet who calls
        if (owners_fit(all, &s->id)) return true;
    }
    for (const struct conf_side *s = &c->local; s; s = s->next) {
        if (s->id_given && owners_fit(all, &s->id)) return true;
    }
    return false;
}

static bool has_psk(const struct conf_side *s)
{
    while (s && s->auth != CONF_AUTH_PSK) s = s->next;
    return s;
}

static void check_secret(struct load *ld, struct owners *all, const struct origin *o,
                         const struct conf_conn *c)
{
    bool psk = has_psk(&c->local) || has_psk(&c->remote);
    if (!o->remote[0] || !o->local[0] || !psk) return;
    if (has_secret(all, ld, c)) return;
    char id[ID_TEXT_MAX];
    const struct setting *s = schema_written(ld, o->remote[0], "id");
    issue_error(ld->issues, s ? value_place(&s->value, 0) : o->conn->at,
                s ? s->value.text : c->name, "connection '%s' has no secret", c->name);
    if (s) {
        issue_hint(ld->issues, "write a section ike-%s in secrets, with id = %s and a secret",
                   c->name, id_show(&c->remote.id, id));
        return;
    }
    issue_hint(ld->issues, "write a section ike-%s in secrets, with a secret", c->name);
}

// ---- whoever proves nothing (RFC 7619) ----

static void check_null_round(struct load *ld, const struct node *n, const struct conf_side *first)
{
    const struct conf_side *s = first;
    while (s && s->auth != CONF_AUTH_NULL) s = s->next;
    if (!n || !s || !first->next) return;
    issue_error(ld->issues, n->at, n->name,
                "auth = null proves nothing, and goes with no other round");
    issue_hint(ld->issues, "leave that round out");
}

// rfc7619 2.5 SHOULD: it gets no traffic but its own.
static void check_null_child(struct load *ld, const struct node *n, const struct conf_child *c)
{
    for (unsigned i = 0; i < c->remote_n && !is_shunt(c); i++) {
        if (c->remote_ts[i].dynamic) continue;
        issue_error(ld->issues, schema_place(ld, n, "remote_ts"), "remote_ts",
                    "whoever calls could take the traffic of others: remote.auth is null");
        issue_hint(ld->issues, "leave remote_ts out: it is the peer's own address, or the one that "
                               "it gets from a pool");
        return;
    }
}

static void check_null(struct load *ld, const struct origin *o, const struct conf_conn *c)
{
    check_null_round(ld, o->local[0], &c->local);
    check_null_round(ld, o->remote[0], &c->remote);
    if (c->remote.auth != CONF_AUTH_NULL) return;
    if (c->remote.id_given && c->remote.id.type != ID_ANY) {
        issue_error(ld->issues, schema_place(ld, o->remote[0], "id"), "id",
                    "the peer proves nothing (auth = null), so its identity cannot be asked for");
        issue_hint(ld->issues, "leave id out");
    }
    for (unsigned k = 0; k < c->child_n; k++) check_null_child(ld, o->child[k], &c->child[k]);
}

// ---- EAP ----

// A RADIUS server's gateway; a client never speaks with one.
static void check_eap_radius(struct load *ld, const struct origin *o, const struct conf_conn *c)
{
    for (const struct conf_side *s = &c->local; s; s = s->next) {
        // rfc5998 3: EAP alone, and only methods that prove us, too, will do.
        if (!s->radius || (s == &c->local && c->remote.radius)) continue;
        issue_error(ld->issues, schema_place(ld, o->local[0], "auth"), "auth",
                    "eap-radius is how a gateway proves its clients, and this is what we prove");
        issue_hint(ld->issues,
                   "write auth = eap here; in remote, if we are the gateway, eap-radius");
    }
    bool asked = false, pool = false;
    for (const struct conf_side *s = &c->remote; s; s = s->next) asked |= s->radius;
    for (unsigned i = 0; i < c->pool_n; i++) pool |= strcmp(c->pool[i], CONF_POOL_RADIUS) == 0;
    if (pool && !asked) {
        issue_error(ld->issues, schema_place(ld, o->conn, "pools"), CONF_POOL_RADIUS,
                    "no RADIUS server is asked about these clients");
        issue_hint(ld->issues, "write auth = eap-radius in remote, or name a section of pools");
    }
}

// rfc5998 4 MUST: where EAP alone is to prove both sides, only methods that can.
static void check_eap_alone(struct load *ld, const struct node *n, const struct conf_side *s)
{
    if (!n || !s->eap || eap_may_be_alone(s->eap)) return;
    issue_error(ld->issues, schema_place(ld, n, "auth"), "auth",
                "eap-%s is no good proof of who the gateway is, and nothing else here is any",
                eap_keyword(s->eap));
    issue_hint(ld->issues, "give the gateway's side auth = pubkey, or both sides eap-tls or "
                           "eap-ttls");
}

static void check_eap_server(struct load *ld, const struct origin *o, const struct conf_conn *c)
{
    bool cert = c->local.auth == CONF_AUTH_PUBKEY || c->local.auth == CONF_AUTH_EAP;
    bool tls = c->remote.auth == CONF_AUTH_EAP && eap_takes_cert(c->remote.eap);
    if (tls && !cert) {
        issue_error(ld->issues, schema_place(ld, o->remote[0], "auth"), "auth",
                    "eap-%s needs a certificate of ours, too", eap_keyword(c->remote.eap));
        issue_hint(ld->issues, "write auth = pubkey and certs = ... in local");
    }
}

// A gateway that knows no password at all: nobody can come in.
static void check_eap_passwords(struct load *ld, const struct node *n, const struct conf_side *s)
{
    bool known = ld->out->eap_n > 0 || (s->eap == EAP_MSCHAPV2 && ld->out->ntlm_n > 0);
    bool asks = s->eap == EAP_MD5 || s->eap == EAP_GTC || s->eap == EAP_MSCHAPV2;
    if (!n || s->auth != CONF_AUTH_EAP || s->radius || !asks || known) return;
    issue_warn(ld->issues, schema_place(ld, n, "auth"), "auth",
               "nobody has a password for eap-%s: every client is refused", eap_keyword(s->eap));
    issue_hint(ld->issues,
               "write sections eap-NAME in secrets, each with the id of a client and its "
               "secret, or auth = eap-radius");
}

static void check_eap(struct load *ld, const struct origin *o, const struct conf_conn *c)
{
    if (!o->local[0] || !o->remote[0]) return;
    if (c->local.auth == CONF_AUTH_EAP && c->remote.auth == CONF_AUTH_EAP) {
        check_eap_alone(ld, o->local[0], &c->local);
        check_eap_alone(ld, o->remote[0], &c->remote);
    }
    check_eap_server(ld, o, c);
    check_eap_radius(ld, o, c);
    unsigned i = 0;
    for (const struct conf_side *s = &c->remote; s && i < CONF_SIDES_MAX && !ld->loose; s = s->next)
        check_eap_passwords(ld, o->remote[i++], s);
}

// ---- two children for the same packets ----

struct placed_child {
    const struct conf_conn *conn;
    const struct conf_child *child;
    const struct node *node;
    bool named; // another child of this name was reported
};

static bool ranges_meet(const struct conf_ts *a, const struct conf_ts *b)
{
    if (a->dynamic || b->dynamic || a->lo.family != b->lo.family) return false;
    if (ip_cmp(&a->lo, &b->hi) > 0 || ip_cmp(&b->lo, &a->hi) > 0) return false;
    if (a->proto && b->proto && a->proto != b->proto) return false;
    return a->port_lo <= b->port_hi && b->port_lo <= a->port_hi;
}

// One inside the other is well defined: the narrower policy has the better priority.
static bool contains(const struct conf_ts *a, const struct conf_ts *b)
{
    return ip_cmp(&a->lo, &b->lo) <= 0 && ip_cmp(&a->hi, &b->hi) >= 0 &&
           (a->proto == 0 || a->proto == b->proto) && a->port_lo <= b->port_lo &&
           a->port_hi >= b->port_hi;
}

static bool same_ts(const struct conf_ts *a, const struct conf_ts *b)
{
    return contains(a, b) && contains(b, a);
}

static bool fight(const struct conf_ts *la, const struct conf_ts *ra, const struct conf_ts *lb,
                  const struct conf_ts *rb)
{
    if (!ranges_meet(la, lb) || !ranges_meet(ra, rb)) return false;
    if (same_ts(la, lb) && same_ts(ra, rb)) return true;
    bool nested = (contains(la, lb) && contains(ra, rb)) || (contains(lb, la) && contains(rb, ra));
    return !nested;
}

// Told apart by something else than selectors?
static bool steered_apart(const struct conf_child *a, const struct conf_child *b)
{
    if (a->mark_out >= CONF_EACH_DIR || a->if_id_out >= CONF_EACH_DIR) return true;
    if (a->mark_out != b->mark_out || a->mark_out_mask != b->mark_out_mask) return true;
    return a->if_id_out != b->if_id_out || a->interface || b->interface;
}

static bool children_fight(const struct conf_child *a, const struct conf_child *b)
{
    if (!a->policies || !b->policies || a->priority != b->priority) return false;
    if (steered_apart(a, b)) return false;
    for (unsigned i = 0; i < a->local_n * a->remote_n; i++) {
        for (unsigned k = 0; k < b->local_n * b->remote_n; k++) {
            if (fight(&a->local_ts[i / a->remote_n], &a->remote_ts[i % a->remote_n],
                      &b->local_ts[k / b->remote_n], &b->remote_ts[k % b->remote_n])) {
                return true;
            }
        }
    }
    return false;
}

static void warn_fight(struct load *ld, const struct placed_child *a, const struct placed_child *b)
{
    issue_warn(ld->issues, b->node->at, b->child->name,
               "'%s' and '%s' (connection '%s') want the same packets", b->child->name,
               a->child->name, a->conn->name);
    issue_hint(ld->issues, "make their local_ts or remote_ts differ, or give one a priority");
}

static void warn_same_name(struct load *ld, const struct placed_child *a,
                           const struct placed_child *b)
{
    issue_warn(ld->issues, b->node->at, b->child->name,
               "connection '%s' has a child '%s' too; 'pavise up %s' means the first",
               a->conn->name, b->child->name, b->child->name);
    issue_hint(ld->issues, "give every child a name of its own");
}

static size_t gather(struct load *ld, struct placed_child *all)
{
    size_t n = 0;
    for (unsigned i = 0; i < ld->out->conn_n; i++) {
        const struct conf_conn *c = &ld->out->conn[i];
        for (unsigned k = 0; k < c->child_n; k++) {
            if (all) all[n] = (struct placed_child){c, &c->child[k], ld->origin[i].child[k], false};
            n++;
        }
    }
    return n;
}

// Each name, and each child, is reported once.
static void check_pairs(struct load *ld)
{
    size_t n = gather(ld, NULL), pairs = 0;
    struct placed_child *all = arena_array(&ld->tree->arena, n, sizeof *all);
    if (!all) return;
    (void)gather(ld, all);
    for (size_t b = 0; b < n; b++) {
        bool fought = false;
        for (size_t a = 0; a < b && pairs < PAIRS_MAX; a++, pairs++) {
            bool same = !all[b].named && strcmp(all[a].child->name, all[b].child->name) == 0;
            bool meet = !fought && children_fight(all[a].child, all[b].child);
            if (same && !all[a].named) warn_same_name(ld, &all[a], &all[b]);
            if (same) all[a].named = all[b].named = true;
            if (meet) warn_fight(ld, &all[a], &all[b]);
            fought |= meet;
        }
    }
}

// Which executor there will be is known only where it is named.
static void check_kernel_only(struct load *ld, const struct node *n, const struct conf_child *c)
{
    const char *why, *key = config_kernel_only(c, &why);
    bool named = ld->out->executor == CONF_EXEC_PAVISE;
    if (!key || ld->out->executor == CONF_EXEC_KERNEL) return;
    struct place at = schema_place(ld, n, key);
    if (named) {
        issue_error(ld->issues, at, key, "pavise-xfrmd cannot do this: %s", why);
    } else {
        issue_warn(ld->issues, at, key, "this needs the kernel's ESP: %s", why);
    }
    issue_hint(ld->issues, "write executor = kernel in section pavise, or remove %s", key);
}

// strongSwan's script lets pass what the kernel has protected: packets of a TUN device do not show
// that.
static void check_updown(struct load *ld, const struct node *n, const struct conf_child *c)
{
    if (!c->updown || ld->out->executor == CONF_EXEC_KERNEL) return;
    if (!strstr(c->updown, "/_updown iptables")) return;
    issue_warn(ld->issues, schema_place(ld, n, "updown"), "updown",
               "its rules ask for -m policy, which packets of pavise-xfrmd never match");
    issue_hint(ld->issues, "name Pavise's own script, which asks for the device: "
                           "/usr/local/libexec/pavise/updown iptables");
}

static void check_conn(struct load *ld, struct owners *all, unsigned i)
{
    const struct conf_conn *c = &ld->out->conn[i];
    const struct origin *o = &ld->origin[i];
    check_conn_times(ld, o->conn, c);
    if (!ld->loose) check_secret(ld, all, o, c);
    check_null(ld, o, c);
    check_eap(ld, o, c);
    for (unsigned k = 0; k < c->child_n; k++) {
        check_child_limits(ld, o->child[k], &c->child[k]);
        check_transport(ld, o->child[k], &c->child[k]);
        check_beet(ld, o->child[k], &c->child[k]);
        check_iptfs(ld, o->child[k], &c->child[k]);
        check_shunt(ld, o->child[k], &c->child[k]);
        check_ipcomp(ld, o->child[k], &c->child[k]);
        check_ah(ld, o->child[k], c, &c->child[k]);
        check_kernel_only(ld, o->child[k], &c->child[k]);
        check_updown(ld, o->child[k], &c->child[k]);
    }
}

void check_all(struct load *ld)
{
    struct owners *all = owners_new(ld);
    if (!all) ld->nomem = true;
    for (unsigned i = 0; all && i < ld->out->conn_n; i++) check_conn(ld, all, i);
    check_pairs(ld);
    pools_check(ld);
    if (!ld->nomem) sense_check(ld);
}
