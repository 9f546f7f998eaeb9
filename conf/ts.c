#include "conf/ts.h"

#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "conf/issue.h"
#include "conf/value.h"

// One selector while it is read.
struct ts_arg {
    const struct arg *a;
    const struct element *e;
    struct conf_ts *ts;
};

static void bad_ts(const struct ts_arg *t, size_t off, const char *token, const char *what)
{
    issue_error(t->a->ld->issues, element_place(t->a, t->e, off), token, "'%s' %s", token, what);
}

// ---- [proto/port] ----

static const struct {
    const char *name;
    uint8_t number;
} protocols[] = {{"icmp", 1},       {"igmp", 2},  {"ipip", 4},   {"tcp", 6},       {"udp", 17},
                 {"ipv6", 41},      {"gre", 47},  {"esp", 50},   {"ah", 51},       {"icmpv6", 58},
                 {"ipv6-icmp", 58}, {"ospf", 89}, {"sctp", 132}, {"udplite", 136}, {"any", 0},
                 {"%any", 0},       {NULL, 0}};

// A decimal number up to max, and nothing else.
static bool number_of(const char *s, unsigned long max, unsigned long *out)
{
    if (!isdigit((unsigned char)*s) || strlen(s) > 9) return false;
    char *end;
    *out = strtoul(s, &end, 10);
    return *end == 0 && *out <= max;
}

static void unknown_protocol(const struct ts_arg *t, const char *name, size_t off)
{
    const char *names[sizeof protocols / sizeof *protocols] = {0};
    for (size_t i = 0; protocols[i].name; i++) names[i] = protocols[i].name;
    const char *near = nearest(name, names);
    bad_ts(t, off, name, "is not a protocol");
    if (near) issue_hint(t->a->ld->issues, "did you mean '%s'?", near);
    if (!near) issue_hint(t->a->ld->issues, "a name as in tcp, udp, icmp, or a number to 255");
}

static bool protocol_read(const struct ts_arg *t, const char *name, size_t off)
{
    unsigned long n;
    if (number_of(name, UINT8_MAX, &n)) {
        t->ts->proto = (uint8_t)n;
        return true;
    }
    for (size_t i = 0; protocols[i].name; i++) {
        if (strcasecmp(name, protocols[i].name) != 0) continue;
        t->ts->proto = protocols[i].number;
        return true;
    }
    unknown_protocol(t, name, off);
    return false;
}

// A number or a name from services(5).
static bool port_of(const char *s, uint16_t *out)
{
    unsigned long n;
    if (number_of(s, UINT16_MAX, &n)) {
        *out = (uint16_t)n;
        return true;
    }
    char buf[1024];
    struct servent entry, *found = NULL;
    if (!isalpha((unsigned char)*s)) return false;
    if (getservbyname_r(s, NULL, &entry, buf, sizeof buf, &found) != 0 || !found) return false;
    *out = ntohs((uint16_t)entry.s_port);
    return true;
}

// rfc4301 4.4.1.1 : ICMP has type and code where others have ports; a type alone means any code.
static void icmp_range(struct conf_ts *ts)
{
    if (ts->proto != IPPROTO_ICMP && ts->proto != IPPROTO_ICMPV6) return;
    if (ts->port_hi > UINT8_MAX || (ts->port_lo == 0 && ts->port_hi == UINT16_MAX)) return;
    ts->port_lo = (uint16_t)(ts->port_lo << 8);
    ts->port_hi = (uint16_t)(ts->port_hi << 8 | 0xff);
}

static bool port_range(const struct ts_arg *t, char *text, size_t off)
{
    char *dash = strchr(text, '-');
    if (dash && isdigit((unsigned char)*text)) {
        *dash = 0;
        bool ok = port_of(text, &t->ts->port_lo) && port_of(dash + 1, &t->ts->port_hi);
        *dash = '-';
        if (ok && t->ts->port_lo <= t->ts->port_hi) return true;
        bad_ts(t, off, text, ok ? "ends before it begins" : "is not a range of ports");
        issue_hint(t->a->ld->issues, "two numbers to 65535, the lower first, as in 1000-2000");
        return false;
    }
    if (port_of(text, &t->ts->port_lo)) {
        t->ts->port_hi = t->ts->port_lo;
        return true;
    }
    bad_ts(t, off, text, "is not a port");
    issue_hint(t->a->ld->issues, "a number to 65535, a range, a name from services(5) or 'opaque'");
    return false;
}

static bool port_read(const struct ts_arg *t, char *text, size_t off)
{
    if (strcasecmp(text, "opaque") == 0) { // rfc7296 3.13.1: OPAQUE is the range 65535-0
        t->ts->port_lo = UINT16_MAX;
        t->ts->port_hi = 0;
        return true;
    }
    if (strcasecmp(text, "any") == 0 || strcasecmp(text, "%any") == 0) return true;
    if (t->ts->proto == 0) {
        bad_ts(t, off, text, "is a port without a protocol");
        issue_hint(t->a->ld->issues, "name the protocol, as in [tcp/%s]", text);
        return false;
    }
    if (!port_range(t, text, off)) return false;
    icmp_range(t->ts);
    return true;
}

// Reads "[proto/port]" at e->text + off, which it shortens to what stands before it.
static bool brackets_read(const struct ts_arg *t, char *text, size_t off)
{
    char *end = strchr(text + off, ']');
    text[off] = 0;
    if (!end || end[1]) {
        bad_ts(t, off, t->e->text + off, end ? "goes on behind ']'" : "has no ']'");
        issue_hint(t->a->ld->issues, "write [protocol/port] last, as in 10.0.0.0/8[tcp/80]");
        return false;
    }
    *end = 0;
    char *proto = text + off + 1, *slash = strchr(proto, '/');
    if (slash) *slash = 0;
    if (!protocol_read(t, *proto ? proto : "any", off + 1)) return false;
    return !slash || port_read(t, slash + 1, (size_t)(slash + 1 - text));
}

// ---- addresses ----

static bool prefix_ts(const struct ts_arg *t, const char *text)
{
    prefix_t p;
    err_t e = prefix_parse(text, &p);
    if (e == ERR_OK) {
        prefix_range(&p, &t->ts->lo, &t->ts->hi);
        if (ip_eq(&p.ip, &t->ts->lo)) return true;
        char lo[PREFIX_TEXT_MAX];
        p.ip = t->ts->lo;
        issue_warn(t->a->ld->issues, element_place(t->a, t->e, 0), text,
                   "'%s' has bits set behind its prefix and is read as %s", text,
                   prefix_show(&p, lo));
        issue_hint(t->a->ld->issues, "write %s", lo);
        return true;
    }
    if (e == ERR_RANGE) {
        size_t slash = strcspn(text, "/");
        bool v6 = strchr(text, ':') != NULL;
        issue_error(t->a->ld->issues, element_place(t->a, t->e, slash), text + slash,
                    "the prefix %s is longer than an %s address", text + slash,
                    v6 ? "IPv6" : "IPv4");
        issue_hint(t->a->ld->issues, "at most /%u", v6 ? 128 : 32);
        return false;
    }
    static const char *const words[] = {"dynamic", NULL};
    bad_ts(t, 0, text, "is not a network");
    if (nearest(text, words)) {
        issue_hint(t->a->ld->issues, "did you mean 'dynamic'?");
        return false;
    }
    value_hint(t->a, "an address, a prefix (10.1.0.0/16), a range, or 'dynamic'");
    return false;
}

static bool range_ts(const struct ts_arg *t, char *text, char *dash)
{
    *dash = 0;
    bool ok = ip_parse(text, &t->ts->lo) == ERR_OK && ip_parse(dash + 1, &t->ts->hi) == ERR_OK;
    *dash = '-';
    if (ok && t->ts->lo.family == t->ts->hi.family && ip_cmp(&t->ts->lo, &t->ts->hi) <= 0)
        return true;
    bad_ts(t, 0, text, "is not a range of addresses");
    value_hint(t->a, "two addresses of one family, the lower first, as in 10.0.0.1-10.0.0.9");
    return false;
}

static bool ts_read(const struct arg *a, const struct element *e, struct conf_ts *ts)
{
    *ts = (struct conf_ts){.port_hi = UINT16_MAX};
    struct ts_arg t = {a, e, ts};
    char *text = arena_str(&a->ld->tree->arena, e->text, e->len);
    if (!text) {
        a->ld->nomem = true;
        return false;
    }
    size_t bracket = strcspn(text, "[");
    bool ok = !text[bracket] || brackets_read(&t, text, bracket);
    ts->dynamic = strcmp(text, "dynamic") == 0;
    if (ts->dynamic) return ok;
    char *dash = strchr(text, '-');
    bool address = dash ? range_ts(&t, text, dash) : prefix_ts(&t, text);
    return ok && address;
}

static void set_ts(const struct arg *a, struct conf_ts *list, unsigned *n)
{
    for (struct element e = {0}; value_next(a, &e);) {
        if (*n == CONF_LIST_MAX) {
            issue_error(a->ld->issues, element_place(a, &e, 0), e.text, "this list is too long");
            issue_hint(a->ld->issues, "at most %u selectors in one child; use more children",
                       CONF_LIST_MAX);
            return;
        }
        if (ts_read(a, &e, &list[*n])) ++*n;
    }
}

void set_local_ts(const struct arg *a)
{
    struct conf_child *c = a->to;
    set_ts(a, c->local_ts, &c->local_n);
}

void set_remote_ts(const struct arg *a)
{
    struct conf_child *c = a->to;
    set_ts(a, c->remote_ts, &c->remote_n);
}
