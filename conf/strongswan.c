#include "conf/strongswan.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "conf/inherit.h"
#include "conf/issue.h"
#include "conf/parse.h"
#include "conf/strongswanx.h"
#include "conf/value.h"

#define SECONDS_MAX 1e6
#define BLOCKS_DEPTH "plugins.addrblock.depth"
#define UNUSED_MAX 4000      // bytes of names that are told
#define IPTFS_PACKET_MIN 128 // IPv6, UDP and ESP take 100 of them
#define IPTFS_QUEUE_MIN 1500

enum kind { IS_REAL, IS_NUMBER, IS_PORT, IS_WIDE, IS_PLAIN, IS_YES, IS_TEXT };

// Settings of section `charon`, and of `charon-systemd`, which goes before it.
static const struct effective {
    const char *path;
    enum kind kind;
    size_t to;
} effective[] = {
#define TAKES(path, kind, field)                       \
    {                                                  \
        path, kind, offsetof(struct strongswan, field) \
    }
    TAKES("retransmit_timeout", IS_REAL, retransmit_timeout),
    TAKES("retransmit_base", IS_REAL, retransmit_base),
    TAKES("retransmit_tries", IS_NUMBER, retransmit_tries),
    TAKES("keep_alive", IS_REAL, keep_alive),
    TAKES("half_open_timeout", IS_NUMBER, half_open_timeout),
    TAKES("cookie_threshold", IS_NUMBER, cookie_threshold),
    TAKES("cookie_threshold_ip", IS_NUMBER, cookie_threshold_ip),
    TAKES("init_limit_half_open", IS_NUMBER, half_open_max),
    TAKES("delete_rekeyed_delay", IS_NUMBER, delete_rekeyed_delay),
    TAKES("fragment_size", IS_NUMBER, fragment_size),
    TAKES("port", IS_PORT, port),
    TAKES("port_nat_t", IS_PORT, port_nat_t),
    TAKES("initiator_only", IS_YES, initiator_only),
    TAKES("rsa_pss", IS_YES, rsa_pss),
    TAKES("hash_and_url", IS_YES, hash_and_url),
    TAKES("follow_redirects", IS_YES, follow_redirects),
    TAKES("make_before_break", IS_YES, make_before_break),
    TAKES("retransmit_limit", IS_REAL, retransmit_limit),
    TAKES("retransmit_jitter", IS_NUMBER, retransmit_jitter),
    TAKES("retry_initiate_interval", IS_REAL, retry_initiate_interval),
    TAKES("block_threshold", IS_NUMBER, block_threshold),
    TAKES("ikesa_limit", IS_NUMBER, ikesa_limit),
    TAKES("dos_protection", IS_YES, dos_protection),
    TAKES("spi_min", IS_WIDE, spi_min),
    TAKES("spi_max", IS_WIDE, spi_max),
    TAKES("inactivity_close_ike", IS_YES, inactivity_close_ike),
    TAKES("close_ike_on_child_failure", IS_YES, close_ike_on_child_failure),
    TAKES("reuse_ikesa", IS_YES, reuse_ikesa),
    TAKES("multiple_authentication", IS_YES, multiple_authentication),
    TAKES("signature_authentication", IS_YES, signature_authentication),
    TAKES("send_vendor_id", IS_YES, send_vendor_id),
    TAKES("prefer_configured_proposals", IS_YES, prefer_configured_proposals),
    TAKES("ignore_acquire_ts", IS_YES, ignore_acquire_ts),
    TAKES("install_virtual_ip", IS_YES, install_virtual_ip),
    TAKES("install_routes", IS_YES, install_routes),
    TAKES("routing_table", IS_WIDE, routing_table),
    TAKES("routing_table_prio", IS_WIDE, routing_table_prio),
    TAKES("install_virtual_ip_on", IS_TEXT, install_virtual_ip_on),
    TAKES("plugins.socket-default.fwmark", IS_WIDE, fwmark),
    TAKES("plugins.vici.socket", IS_TEXT, vici_socket),
    TAKES("plugins.resolve.file", IS_TEXT, resolv_conf),
    TAKES("plugins.revocation.enable_ocsp", IS_YES, ocsp),
    TAKES("plugins.revocation.enable_crl", IS_YES, crl),
    TAKES("plugins.addrblock.strict", IS_YES, addrblock_strict),
    TAKES("plugins.whitelist.enable", IS_YES, whitelist),
    TAKES("plugins.ipseckey.enable", IS_YES, ipseckey),
    TAKES("plugins.dnscert.enable", IS_YES, dnscert),
    TAKES("plugins.unbound.resolv_conf", IS_TEXT, dns_resolv_conf),
    TAKES(DNSSEC_ANCHORS, IS_TEXT, dns_anchors),
    TAKES("plugins.eap-dynamic.prefer_user", IS_YES, eap_prefer_user),
    TAKES("plugins.eap-sim.request_identity", IS_YES, sim.sim_asks),
    TAKES("plugins.eap-aka.request_identity", IS_YES, sim.aka_asks),
    TAKES("plugins.eap-aka-3gpp2.seq_check", IS_YES, sim.check_3gpp2),
    TAKES("plugins.eap-aka-3gpp.seq_check", IS_YES, sim.check_3gpp),
    TAKES("plugins.eap-sim-file.triplets", IS_TEXT, triplets),
    TAKES("plugins.dhcp.identity_lease", IS_YES, dhcp.identity_lease),
    TAKES("plugins.dhcp.use_server_port", IS_YES, dhcp.use_server_port),
    TAKES("plugins.dhcp.force_server_address", IS_YES, dhcp.force_server),
    TAKES("plugins.dhcp.server", IS_TEXT, dhcp.server_text),
    TAKES("plugins.dhcp.interface", IS_TEXT, dhcp.interface),
    TAKES("interfaces_use", IS_TEXT, interfaces_use),
    TAKES("interfaces_ignore", IS_TEXT, interfaces_ignore),
    TAKES("cert_cache", IS_YES, cert_cache),
    TAKES("cache_crls", IS_YES, cache_crls),
    TAKES("x509.enforce_critical", IS_YES, enforce_critical),
    TAKES("iptfs.drop_time", IS_PLAIN, iptfs.drop_time_us),
    TAKES("iptfs.reorder_window", IS_PORT, iptfs.reorder_window),
    TAKES("iptfs.init_delay", IS_PLAIN, iptfs.init_delay_us),
    TAKES("iptfs.max_queue_size", IS_PLAIN, iptfs.max_queue),
    TAKES("iptfs.packet_size", IS_PLAIN, iptfs.packet_size),
    TAKES("iptfs.accept_fragments", IS_YES, iptfs.accept_fragments),
    // What charon looks for, and what its pages say; the latter counts where both are written.
    TAKES("iptfs.dont_fragment", IS_YES, iptfs.dont_frag),
    TAKES("iptfs.dont_frag", IS_YES, iptfs.dont_frag),
#undef TAKES
};

struct strongswan strongswan_default(void)
{
    return (struct strongswan){
        .sim = sim_settings_default(),
        .retransmit_timeout = 4,
        .retransmit_base = 1.8,
        .retransmit_tries = 5,
        .keep_alive = 20,
        .half_open_timeout = 30,
        .delete_rekeyed_delay = 5,
        .cookie_threshold = 30,
        .cookie_threshold_ip = 3,
        .fragment_size = 1280,
        .follow_redirects = true,
        .retransmit_jitter = 10,
        .dos_protection = true,
        .spi_min = 0xc0000000,
        .spi_max = 0xcfffffff,
        .iptfs = CONF_IPTFS_DEFAULT,
        .dhcp.server = {AF_INET, {255, 255, 255, 255}},
        .reuse_ikesa = true,
        .multiple_authentication = true,
        .signature_authentication = true,
        .prefer_configured_proposals = true,
        .install_virtual_ip = true,
        .install_routes = true,
        .make_before_break = true,
        .ocsp = true,
        .crl = true,
        .enforce_critical = true,
        .addrblock_strict = true,
        .cert_cache = true,
        .radius.habits.station_port = true,
        .radius.acct.close_on_timeout = true,
        .radius.dae.listen.family = AF_INET,
        .radius.dae.port = 3799, // RFC 5176 2.1
    };
}

void strongswan_done(struct strongswan *s)
{
    text_done(&s->unused);
    wipe(&s->radius, sizeof s->radius);
    config_free(s->attributes);
    arena_done(&s->arena);
}

// ---- looking up ----

static const char *get_in(const struct tree *t, const struct node *in, const char *path,
                          const struct setting **out)
{
    char name[64];
    const char *dot;
    while (in && (dot = strchr(path, '.')) != NULL) {
        size_t n = (size_t)(dot - path);
        if (n >= sizeof name) return NULL;
        memcpy(name, path, n);
        name[n] = 0;
        in = tree_sub(t, in, name);
        path = dot + 1;
    }
    *out = in ? tree_setting(t, in, path) : NULL;
    return *out && (*out)->value.len ? (*out)->value.text : NULL;
}

const char *strongswan_get(const struct tree *t, const char *path, const struct setting **out)
{
    static const char *const sections[] = {"charon-systemd", "charon"};
    const struct setting *s;
    for (size_t i = 0; i < 2; i++) {
        const struct node *in = tree_sub(t, t->root, sections[i]);
        const char *text = in ? get_in(t, in, path, &s) : NULL;
        if (!text) continue;
        if (out) *out = s;
        return text;
    }
    return NULL;
}

static bool is_yes(const struct tree *t, const char *path)
{
    const char *text = strongswan_get(t, path, NULL);
    return text && value_is_yes(text);
}

// ---- values ----

bool strongswan_number(const char *text, double *out)
{
    static const struct {
        char unit;
        double seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (end == text) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (*end != units[i].unit) continue;
        v *= units[i].seconds;
        end++;
        break;
    }
    while (*end == ' ') end++;
    *out = v;
    return !*end && !errno && isfinite(v) && v >= 0;
}

static bool take_number(const char *text, enum kind kind, void *to)
{
    double v;
    if (!strongswan_number(text, &v)) return false;
    bool wide = kind == IS_WIDE || kind == IS_PLAIN;
    double max = kind == IS_PORT ? UINT16_MAX : wide ? UINT32_MAX : SECONDS_MAX;
    if (v > max) return false;
    // Neither seconds nor parts of what is counted.
    if (kind == IS_PLAIN && text[strspn(text, "0123456789")]) return false;
    if (kind == IS_REAL) {
        *(double *)to = v;
    } else {
        *(uint32_t *)to = (uint32_t)v;
    }
    return true;
}

// false: it is no such thing.
static bool take(struct strongswan *s, const char *text, enum kind kind, void *to)
{
    if (kind == IS_TEXT) {
        *(char **)to = arena_str(&s->arena, text, strlen(text));
        return *(char **)to;
    }
    if (kind != IS_YES) return take_number(text, kind, to);
    *(bool *)to = value_is_yes(text);
    return value_is_yes(text) || value_is_no(text);
}

static const char *example_of(enum kind kind)
{
    static const char *const examples[] = {
        [IS_REAL] = "write a number, as in 4 or 1.8",
        [IS_NUMBER] = "write a number, as in 30",
        [IS_PORT] = "write a number to 65535",
        [IS_WIDE] = "write a number of 32 bits, as in 0xc0000000",
        [IS_PLAIN] = "write a plain number, as in 500000",
        [IS_YES] = "write yes or no",
        [IS_TEXT] = "write less",
    };
    return examples[kind];
}

static void take_all(const struct tree *t, struct strongswan *s, struct conf_issues *issues)
{
    for (size_t i = 0; i < sizeof effective / sizeof *effective; i++) {
        const struct effective *e = &effective[i];
        const struct setting *from;
        const char *text = strongswan_get(t, e->path, &from);
        if (!text || take(s, text, e->kind, (char *)s + e->to)) continue;
        issue_error(issues, from->at, from->key, "'%s' is no value for charon.%s", text, e->path);
        issue_hint(issues, "%s", example_of(e->kind));
    }
}

// Blocks that nobody above has given would be taken at their holder's word.
static void judge_depth(const struct tree *t, struct conf_issues *issues)
{
    const struct setting *from;
    const char *depth = strongswan_get(t, BLOCKS_DEPTH, &from);
    if (!depth || strcmp(depth, "-1") == 0) return;
    issue_error(issues, from->at, from->key,
                "charon." BLOCKS_DEPTH " = %s: address blocks have to nest up to the root", depth);
    issue_hint(issues, "leave it out, or write -1; certificates without blocks below a CA that has "
                       "some are let in by charon.plugins.addrblock.strict = no");
}

static void judge_dhcp(const struct tree *t, struct strongswan_dhcp *d, struct conf_issues *issues)
{
    const struct setting *from;
    ip_t ip;
    if (!d->server_text) return;
    if (ip_parse(d->server_text, &ip) == ERR_OK && ip.family == AF_INET && !ip_is_any(&ip)) {
        d->server = ip;
        return;
    }
    (void)strongswan_get(t, "plugins.dhcp.server", &from);
    issue_error(issues, from->at, from->key, "'%s' is no IPv4 address of a DHCP server",
                d->server_text);
    issue_hint(issues, "write its address, or the broadcast address of its network; without it "
                       "255.255.255.255 is asked");
}

// Less than the headers take, or than one packet: nothing could be sent.
static void judge_iptfs(const struct tree *t, const struct conf_iptfs *c,
                        struct conf_issues *issues)
{
    const struct setting *from;
    bool thin = c->packet_size && c->packet_size < IPTFS_PACKET_MIN;
    if (thin && strongswan_get(t, "iptfs.packet_size", &from)) {
        issue_error(issues, from->at, from->key,
                    "%u bytes are too few for an IP-TFS packet and its headers", c->packet_size);
        issue_hint(issues, "write %d or more, or 0: as the path takes", IPTFS_PACKET_MIN);
    }
    if (c->max_queue < IPTFS_QUEUE_MIN && strongswan_get(t, "iptfs.max_queue_size", &from)) {
        issue_error(issues, from->at, from->key, "a queue of %u bytes does not hold one packet",
                    c->max_queue);
        issue_hint(issues, "write %d or more; 1048576 is what is there without it",
                   IPTFS_QUEUE_MIN);
    }
}

// Values that mean something only together, or within bounds.
static void judge(const struct tree *t, struct strongswan *s, struct conf_issues *issues)
{
    const char unix_prefix[] = "unix://";
    const struct setting *from;
    if (s->retransmit_timeout < 0.01) s->retransmit_timeout = 0.01;
    if (s->retransmit_base < 1) s->retransmit_base = 1;
    if (s->retransmit_jitter > 100) s->retransmit_jitter = 100;
    if (s->spi_min > s->spi_max || s->spi_min <= 255) { // rfc4303 2.1: those are reserved
        const char *key = strongswan_get(t, "spi_min", &from) ? "spi_min" : "spi_max";
        (void)strongswan_get(t, key, &from);
        issue_error(issues, from->at, from->key, "no SPI is between spi_min and spi_max");
        issue_hint(issues, "write 256 or more as spi_min, and more than that as spi_max");
    }
    if (!s->vici_socket || s->vici_socket[0] == '/') return;
    if (strncmp(s->vici_socket, unix_prefix, strlen(unix_prefix)) == 0) {
        s->vici_socket += strlen(unix_prefix);
        return;
    }
    (void)strongswan_get(t, "plugins.vici.socket", &from);
    issue_error(issues, from->at, from->key, "'%s' is no socket that could be opened",
                s->vici_socket);
    issue_hint(issues, "write unix:// and a path: who may command the daemon is known there only");
}

bool strongswan_loads(const struct tree *t, const char *name)
{
    char path[96];
    const char *list = strongswan_get(t, "load", NULL);
    size_t n = strlen(name);
    (void)snprintf(path, sizeof path, "plugins.%s.load", name);
    if (is_yes(t, "load_modular")) return is_yes(t, path);
    while (list && *list) {
        size_t word = strcspn(list, " \t\n");
        bool same = word >= n && strncmp(list, name, n) == 0;
        if (same && (word == n || (word == n + 1 && list[n] == '!'))) return true;
        list += word + strspn(list + word, " \t\n");
    }
    return false;
}

// ---- what has no effect ----

// Which plugins there are is nothing that could be missed.
static bool is_idle(const char *path)
{
    const char *last = strrchr(path, '.');
    last = last ? last + 1 : path;
    if (strcmp(last, "load") == 0 || strcmp(last, "load_modular") == 0) return true;
    if (strongswan_is_log(path) || strongswan_is_attribute(path)) return true;
    if (strongswan_is_radius(path)) return true;
    if (strcmp(path, "plugins.kernel-libipsec.raw_esp") == 0) return true;
    if (strcmp(path, BLOCKS_DEPTH) == 0) return true;
    if (strcmp(path, DNSSEC_DLV) == 0) return true;
    if (strcmp(path, EAP_PREFERRED) == 0) return true;
    if (strcmp(path, EAP_IN_TTLS) == 0 || strcmp(path, EAP_IN_PEAP) == 0) return true;
    for (size_t i = 0; i < sizeof effective / sizeof *effective; i++) {
        if (strcmp(path, effective[i].path) == 0) return true;
    }
    return false;
}

// A setting that is known, mistyped?
static void warn_mistyped(const struct setting *s, const char *path, struct conf_issues *issues)
{
    const char *names[sizeof effective / sizeof *effective + 1] = {0};
    for (size_t i = 0; i < sizeof effective / sizeof *effective; i++) names[i] = effective[i].path;
    const char *near = nearest(path, names);
    if (!near) return;
    issue_warn(issues, s->at, s->key, "charon.%s has no effect", path);
    issue_hint(issues, "did you mean charon.%s?", near);
}

static void list_unused(const struct node *n, const char *prefix, struct text *out,
                        struct conf_issues *issues)
{
    char path[256];
    for (const struct setting *s = n->settings; s; s = s->next) {
        (void)snprintf(path, sizeof path, "%s%s", prefix, s->key);
        if (!s->value.len || is_idle(path) || out->len > UNUSED_MAX) continue;
        warn_mistyped(s, path, issues);
        text_add(out, "%scharon.%s", out->len ? ", " : "", path);
    }
    for (const struct node *sub = n->subs; sub; sub = sub->next) {
        (void)snprintf(path, sizeof path, "%s%s.", prefix, sub->name);
        list_unused(sub, path, out, issues);
    }
}

static void read_tree(const struct tree *t, struct strongswan *s, struct conf_issues *issues)
{
    take_all(t, s, issues);
    s->dhcp.load = strongswan_loads(t, "dhcp");
    judge(t, s, issues);
    judge_depth(t, issues);
    judge_dhcp(t, &s->dhcp, issues);
    judge_iptfs(t, &s->iptfs, issues);
    strongswan_attributes(t, s, issues);
    strongswan_logs(t, s, issues);
    strongswan_eap(t, s, issues);
    strongswan_radius(t, s, issues);
    strongswan_dnssec(t, s, issues);
    bool raw = is_yes(t, "plugins.kernel-libipsec.raw_esp");
    s->farp = strongswan_loads(t, "farp");
    s->connmark = strongswan_loads(t, "connmark");
    s->libipsec = strongswan_loads(t, "kernel-libipsec");
    s->udp_esp = s->libipsec && !raw;
    for (const struct node *n = t->root->subs; n; n = n->next) {
        bool ours = strcmp(n->name, "charon") == 0 || strcmp(n->name, "charon-systemd") == 0;
        if (ours) list_unused(n, "", &s->unused, issues);
    }
}

err_t strongswan_load(const char *path, struct strongswan *out, struct conf_issues *issues)
{
    struct tree tree;
    struct parser p = {.tree = &tree, .issues = issues, .may_include = true};
    *out = strongswan_default();
    TRY(tree_init(&tree));
    err_t e = parse_all(&p, path, span(NULL, 0));
    if (e == ERR_OK) e = inherit_all(&tree, issues);
    if (e == ERR_OK && !(p.unbalanced && p.flat)) read_tree(&tree, out, issues);
    if (e == ERR_OK && p.unbalanced) e = ERR_SYNTAX;
    tree_done(&tree);
    issue_sort(issues);
    return e == ERR_OK && issues->errors ? ERR_SYNTAX : e;
}
