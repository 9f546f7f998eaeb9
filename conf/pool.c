#include "conf/pool.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/issue.h"
#include "conf/value.h"

// ---- attributes: what a client is told beside its address ----

// Words of swanctl.conf, and IANA's numbers for an IPv4 and an IPv6 value.
struct kind {
    const char *word;
    uint16_t v4, v6; // 0: there is none
    bool net;        // the value is a network, not an address
};

static const struct kind kinds[] = {
    {"dns", 3, 10, false},
    {"nbns", 4, 0, false},
    {"dhcp", 6, 12, false},
    {"netmask", 2, 0, false},
    {"server", 23456, 23457, false}, // INTERNAL_IP4_SERVER, _IP6_SERVER: private use, widely known
    {"subnet", 13, 15, true},
    {"split_include", 28676, 0, true}, // UNITY_SPLIT_INCLUDE
    {"split_exclude", 28678, 0, true}, // UNITY_LOCAL_LAN
    {0},
};

static const struct kind *kind_of(const char *word)
{
    const struct kind *k = kinds;
    while (k->word && strcmp(k->word, word) != 0) k++;
    return k->word ? k : NULL;
}

static void add_attr(const struct arg *a, const struct element *e, uint16_t type, span_t value)
{
    struct conf_pool *p = a->to;
    if (p->attr_n == CONF_ATTRS_MAX) {
        issue_error(a->ld->issues, element_place(a, e, 0), e->text,
                    "a pool has no room for more than %u attributes", CONF_ATTRS_MAX);
        issue_hint(a->ld->issues, "remove some, or join networks into larger ones");
        return;
    }
    span_t copy = value.len ? arena_copy(&a->ld->out->arena, value) : span(NULL, 0);
    if (value.len && !copy.at) {
        a->ld->nomem = true;
        return;
    }
    p->attr[p->attr_n++] = (struct conf_attr){type, copy};
}

// An address, or address and mask (IPv4) or prefix length (IPv6) if a prefix was written.
// false: it is neither.
static bool value_bytes(const char *text, bool net, uint8_t out[17], size_t *len, uint16_t *family)
{
    prefix_t p;
    bool slash = strchr(text, '/') != NULL;
    if (prefix_parse(text, &p) != ERR_OK) return false;
    *family = p.ip.family;
    *len = ip_len(p.ip.family);
    memcpy(out, p.ip.b, *len);
    if (!slash && !net) return true;
    if (p.ip.family == AF_INET6) {
        out[(*len)++] = p.len;
        return true;
    }
    uint32_t mask = p.len ? UINT32_MAX << (32 - p.len) : 0;
    for (unsigned i = 0; i < 4; i++) out[(*len)++] = (uint8_t)(mask >> (24 - 8 * i));
    return true;
}

static void bad_value(const struct arg *a, const struct element *e, const struct kind *k)
{
    issue_error(a->ld->issues, element_place(a, e, 0), e->text, "'%s' is not an IP %s", e->text,
                k->net ? "network" : "address");
    value_hint(a, k->net ? "networks, as in 10.1.0.0/16, 2001:db8:1::/48"
                         : "addresses, as in 10.1.0.53, 2001:db8:1::53");
}

static void set_addresses(const struct arg *a)
{
    const struct kind *k = kind_of(a->key->name);
    for (struct element e = {0}; k && value_next(a, &e);) {
        uint8_t bytes[17];
        size_t len;
        uint16_t family;
        bool ok =
            (k->net || !strchr(e.text, '/')) && value_bytes(e.text, k->net, bytes, &len, &family);
        uint16_t type = ok && family == AF_INET6 ? k->v6 : k->v4;
        if (!ok) {
            bad_value(a, &e, k);
        } else if (!type) {
            issue_error(a->ld->issues, element_place(a, &e, 0), e.text,
                        "there is no attribute '%s' for IPv6", k->word);
            issue_hint(a->ld->issues, "remove it");
        } else {
            add_attr(a, &e, type, span(bytes, len));
        }
    }
}

// "25 = corp.example": any attribute by its number; what is no address goes as text.
static void set_numbered(const struct arg *a)
{
    char *end;
    unsigned long type = strtoul(a->written, &end, 10);
    if (*end || type == 0 || type > 0x7fff) {
        issue_error(a->ld->issues, value_place(a->v, 0), a->v->text,
                    "'%s' is not an attribute: numbers go from 1 to 32767", a->written);
        issue_hint(a->ld->issues, "IANA lists them as IKEv2 Configuration Payload Attribute Types");
        return;
    }
    // Addresses come from addrs, and each client gets another one.
    if (type == 1 || type == 8) {
        issue_error(a->ld->issues, value_place(a->v, 0), a->v->text,
                    "attribute %lu is the client's address, which comes from addrs", type);
        issue_hint(a->ld->issues, "remove it");
        return;
    }
    for (struct element e = {0}; value_next(a, &e);) {
        uint8_t bytes[17];
        size_t len;
        uint16_t family;
        if (e.len > CONF_ATTR_LEN) {
            issue_error(a->ld->issues, element_place(a, &e, 0), e.text,
                        "this attribute is longer than %u bytes", CONF_ATTR_LEN);
            issue_hint(a->ld->issues, "shorten it");
            continue;
        }
        bool ip = value_bytes(e.text, false, bytes, &len, &family);
        add_attr(a, &e, (uint16_t)type, ip ? span(bytes, len) : span(e.text, e.len));
    }
}

// ---- addresses ----

static bool bit_of(const ip_t *ip, unsigned bit)
{
    return ip->b[bit / 8] >> (7 - bit % 8) & 1;
}

// As strongSwan counts: of a network with more than two addresses the first and the last are left
// out; one that is written with host bits begins there.
static void pool_of_prefix(const prefix_t *p, struct conf_pool *to)
{
    prefix_range(p, &to->lo, &to->hi);
    unsigned bits = ip_bits(p->ip.family), len = ip_len(p->ip.family);
    bool from = false;
    for (unsigned i = p->len; i < bits; i++) from = from || bit_of(&p->ip, i);
    if (from) to->lo = p->ip;
    if (bits - p->len < 2) return;
    if (!from) to->lo.b[len - 1] |= 1;
    if (ip_cmp(&to->lo, &to->hi) < 0) to->hi.b[len - 1] &= 0xfe;
}

static bool pool_of_range(const struct arg *a, struct conf_pool *to)
{
    size_t dash = strcspn(a->v->text, "-"), n = dash;
    const char *hi = a->v->text + dash + (a->v->text[dash] == '-');
    char lo[IP_TEXT_MAX];
    while (n && isspace((unsigned char)a->v->text[n - 1])) n--;
    while (isspace((unsigned char)*hi)) hi++;
    if (n >= sizeof lo) return false;
    memcpy(lo, a->v->text, n);
    lo[n] = 0;
    return ip_parse(lo, &to->lo) == ERR_OK && ip_parse(hi, &to->hi) == ERR_OK &&
           to->lo.family == to->hi.family && ip_cmp(&to->lo, &to->hi) <= 0;
}

static void set_addrs(const struct arg *a)
{
    struct conf_pool *to = a->to;
    prefix_t p;
    if (strchr(a->v->text, '-') && pool_of_range(a, to)) return;
    err_t err = prefix_parse(a->v->text, &p);
    if (err == ERR_OK) {
        pool_of_prefix(&p, to);
        return;
    }
    size_t slash = strcspn(a->v->text, "/");
    if (err == ERR_RANGE) {
        bool v6 = strchr(a->v->text, ':') != NULL;
        issue_error(a->ld->issues, value_place(a->v, slash), a->v->text + slash,
                    "the prefix %s is longer than an %s address", a->v->text + slash,
                    v6 ? "IPv6" : "IPv4");
        issue_hint(a->ld->issues, "at most /%u", v6 ? 128 : 32);
        return;
    }
    issue_error(a->ld->issues, value_place(a->v, 0), a->v->text, "'%s' is not a range of addresses",
                a->v->text);
    value_hint(a, "a network (10.3.0.0/16) or a range (10.3.0.10-10.3.0.99), one for each pool");
}

// ---- sections ----

// clang-format off: tables keep their columns
#define NUMBERED(first)                                 \
    {                                                   \
        .name = first "*", .set = set_numbered, .to = 0 \
    }
static const struct key pool_keys[] = {
    {.name = "addrs", .set = set_addrs, .to = 0},
    {.name = "dns", .set = set_addresses, .to = 0},
    {.name = "nbns", .set = set_addresses, .to = 0},
    {.name = "dhcp", .set = set_addresses, .to = 0},
    {.name = "netmask", .set = set_addresses, .to = 0},
    {.name = "server", .set = set_addresses, .to = 0},
    {.name = "subnet", .set = set_addresses, .to = 0},
    {.name = "split_include", .set = set_addresses, .to = 0},
    {.name = "split_exclude", .set = set_addresses, .to = 0},
    NUMBERED("1"),
    NUMBERED("2"),
    NUMBERED("3"),
    NUMBERED("4"),
    NUMBERED("5"),
    NUMBERED("6"),
    NUMBERED("7"),
    NUMBERED("8"),
    NUMBERED("9"),
    {0},
};
// clang-format on
static const struct schema schema_pool = {"a pool", "pools.<name>", pool_keys, NULL};

static void pool_read(struct load *ld, const struct node *n, void *config)
{
    struct config *out = config;
    struct conf_pool *p = &out->pool[out->pool_n++];
    if (strcmp(n->name, CONF_POOL_DHCP) == 0) {
        issue_error(ld->issues, n->at, n->name,
                    "no pool can be called 'dhcp': that means the addresses of a DHCP server");
        issue_hint(ld->issues, "give the section another name, there and in pools = ...");
    }
    schema_read(ld, &schema_pool, n, p);
    p->name = arena_str(&out->arena, n->name, strlen(n->name));
    if (!p->name) ld->nomem = true;
}

static const struct key no_keys[] = {{0}};
static const struct inside pools_inside[] = {{"*", pool_read, &schema_pool, NULL}, {0}};
const struct schema schema_pools = {"section 'pools'", "pools", no_keys, pools_inside};

void pools_read(struct load *ld, const struct node *n, void *config)
{
    struct config *out = config;
    unsigned count = 0;
    for (const struct node *sub = n->subs; sub; sub = sub->next) count++;
    out->pool = arena_array(&out->arena, count, sizeof *out->pool);
    if (count && !out->pool) {
        ld->nomem = true;
        return;
    }
    schema_read(ld, &schema_pools, n, out);
}

// ---- connections ----

static void too_many(const struct arg *a, const struct element *e, unsigned max)
{
    issue_error(a->ld->issues, element_place(a, e, 0), e->text, "this list is too long");
    issue_hint(a->ld->issues, "at most %u entries", max);
}

void set_pools(const struct arg *a)
{
    struct conf_conn *c = a->to;
    for (struct element e = {0}; value_next(a, &e);) {
        if (c->pool_n == CONF_POOLS_MAX) {
            too_many(a, &e, CONF_POOLS_MAX);
            return;
        }
        c->pool[c->pool_n] = arena_str(&a->ld->out->arena, e.text, e.len);
        if (!c->pool[c->pool_n]) {
            a->ld->nomem = true;
            return;
        }
        c->pool_n++;
    }
}

void set_vips(const struct arg *a)
{
    struct conf_conn *c = a->to;
    for (struct element e = {0}; value_next(a, &e);) {
        if (c->vip_n == CONF_VIPS_MAX) {
            too_many(a, &e, CONF_VIPS_MAX);
            return;
        }
        if (ip_parse(e.text, &c->vip[c->vip_n]) == ERR_OK) {
            c->vip_n++;
            continue;
        }
        issue_error(a->ld->issues, element_place(a, &e, 0), e.text, "'%s' is not an address",
                    e.text);
        value_hint(a, "0.0.0.0 for any IPv4 address, :: for any IPv6 address, or the one wanted");
    }
}

// ---- across sections ----

static void check_named(struct load *ld, const struct node *n, const char *name)
{
    bool elsewhere = strcmp(name, CONF_POOL_RADIUS) == 0 || strcmp(name, CONF_POOL_DHCP) == 0;
    if (config_pool(ld->out, name) || elsewhere) return;
    const char **names = arena_array(&ld->tree->arena, ld->out->pool_n + 1, sizeof *names);
    if (!names) {
        ld->nomem = true;
        return;
    }
    for (unsigned i = 0; i < ld->out->pool_n; i++) names[i] = ld->out->pool[i].name;
    const char *near = nearest(name, names);
    issue_error(ld->issues, schema_place(ld, n, "pools"), name, "there is no pool '%s'", name);
    if (near) issue_hint(ld->issues, "did you mean '%s'?", near);
    if (!near) issue_hint(ld->issues, "write pools { %s { addrs = ... } }", name);
}

static void check_conn_pools(struct load *ld, const struct node *n, const struct conf_conn *c)
{
    for (unsigned i = 0; i < c->pool_n && !ld->loose; i++) check_named(ld, n, c->pool[i]);
    if (c->pool_n == 0 || c->vip_n == 0) return;
    issue_warn(ld->issues, schema_place(ld, n, "vips"), "vips",
               "connection '%s' both asks for an address (vips) and gives them (pools)", c->name);
    issue_hint(ld->issues, "a client has vips, a gateway has pools");
}

static void check_overlap(struct load *ld, const struct node *n, unsigned i)
{
    const struct conf_pool *p = &ld->out->pool[i];
    for (unsigned k = 0; k < i; k++) {
        const struct conf_pool *q = &ld->out->pool[k];
        if (p->lo.family != q->lo.family || p->lo.family == AF_UNSPEC) continue;
        if (ip_cmp(&p->lo, &q->hi) > 0 || ip_cmp(&q->lo, &p->hi) > 0) continue;
        issue_error(ld->issues, n->at, p->name,
                    "pools '%s' and '%s' have addresses in common: two clients could get the same",
                    q->name, p->name);
        issue_hint(ld->issues, "give each addresses of its own; a connection may name both");
        return;
    }
}

void pools_check(struct load *ld)
{
    const struct node *all = tree_sub(ld->tree, ld->tree->root, "pools");
    unsigned i = 0;
    for (const struct node *n = all ? all->subs : NULL; n && i < ld->out->pool_n; n = n->next) {
        check_overlap(ld, n, i++);
    }
    for (i = 0; i < ld->out->conn_n; i++) {
        check_conn_pools(ld, ld->origin[i].conn, &ld->out->conn[i]);
    }
}
