#include "conf/host.h"

#include <ctype.h>
#include <string.h>

#include "conf/issue.h"
#include "conf/value.h"

#define DNS_NAME_MAX 253 // RFC 1035 2.3.4
#define DNS_LABEL_MAX 63

static void bad_host(const struct arg *a, const struct element *e, const char *what)
{
    issue_error(a->ld->issues, element_place(a, e, 0), e->text, "'%s' %s", e->text, what);
    value_hint(a, "an address, a prefix (10.0.0.0/8), a range (10.0.0.1-10.0.0.9), a DNS name or "
                  "%%any");
}

static bool any_host(const char *s, struct conf_host *h)
{
    static const struct {
        const char *word;
        uint16_t family;
    } any[] = {{"%any", AF_UNSPEC},  {"%any4", AF_INET}, {"%any6", AF_INET6},
               {"0.0.0.0", AF_INET}, {"::", AF_INET6},   {"0.0.0.0/0", AF_INET},
               {"::/0", AF_INET6}};
    for (size_t i = 0; i < sizeof any / sizeof *any; i++) {
        if (strcmp(s, any[i].word) != 0) continue;
        h->any = true;
        h->family = any[i].family;
        return true;
    }
    return false;
}

static bool prefix_host(const struct arg *a, const struct element *e, struct conf_host *h)
{
    prefix_t p;
    err_t err = prefix_parse(e->text, &p);
    if (err == ERR_OK) {
        prefix_range(&p, &h->lo, &h->hi);
        h->family = p.ip.family;
        return true;
    }
    if (err == ERR_RANGE) {
        size_t slash = strcspn(e->text, "/");
        bool v6 = strchr(e->text, ':') != NULL;
        issue_error(a->ld->issues, element_place(a, e, slash), e->text + slash,
                    "the prefix %s is longer than an %s address", e->text + slash,
                    v6 ? "IPv6" : "IPv4");
        issue_hint(a->ld->issues, "at most /%u", v6 ? 128 : 32);
        return false;
    }
    bad_host(a, e, "is not a prefix");
    return false;
}

// true if both sides of '-' are addresses (a DNS name may hold '-' too).
static bool range_split(const struct arg *a, const struct element *e, struct conf_host *h)
{
    size_t dash = strcspn(e->text, "-");
    if (!e->text[dash]) return false;
    char *lo = arena_str(&a->ld->tree->arena, e->text, dash);
    return lo && ip_parse(lo, &h->lo) == ERR_OK && ip_parse(e->text + dash + 1, &h->hi) == ERR_OK;
}

static bool range_host(const struct arg *a, const struct element *e, struct conf_host *h)
{
    h->family = h->lo.family;
    if (h->lo.family == h->hi.family && ip_cmp(&h->lo, &h->hi) <= 0) return true;
    bool order = h->lo.family == h->hi.family;
    issue_error(a->ld->issues, element_place(a, e, 0), e->text,
                order ? "the range '%s' ends before it begins"
                      : "the range '%s' mixes IPv4 and IPv6",
                e->text);
    issue_hint(a->ld->issues, "write the lower address first, both of one family");
    return false;
}

static const char *name_mistake(const char *s, size_t n)
{
    size_t label = 0;
    bool letter = false;
    if (n > DNS_NAME_MAX) return "is too long for a DNS name";
    for (; *s; s++) {
        if (*s == '.' && label == 0) return "is not a DNS name: a label is empty";
        label = *s == '.' ? 0 : label + 1;
        if (label > DNS_LABEL_MAX) return "is not a DNS name: a label is longer than 63";
        if (isalpha((unsigned char)*s)) letter = true;
        if (!isalnum((unsigned char)*s) && !strchr("-_.", *s)) return "is not a host";
    }
    return letter ? NULL : "is not an IPv4 address";
}

static bool named_host(const struct arg *a, const struct element *e, struct conf_host *h)
{
    const char *colon = strchr(e->text, ':');
    if (colon && colon == strrchr(e->text, ':')) {
        issue_error(a->ld->issues, element_place(a, e, (size_t)(colon - e->text)), colon,
                    "a port cannot stand here");
        issue_hint(a->ld->issues, "write it as local_port or remote_port");
        return false;
    }
    if (colon) {
        bad_host(a, e, "is not an IPv6 address");
        return false;
    }
    const char *mistake = name_mistake(e->text, e->len);
    if (mistake) {
        bad_host(a, e, mistake);
        return false;
    }
    h->name = arena_str(&a->ld->out->arena, e->text, e->len);
    if (!h->name) a->ld->nomem = true;
    return h->name != NULL;
}

// Has a meaning on one link only (RFC 4291 2.5.6): "fe80::1%eth0", and all that begin so.
static bool is_link_local(const char *s)
{
    char buf[IP_TEXT_MAX];
    ip_t ip;
    size_t n = strcspn(s, "%/-");
    if (n >= sizeof buf) return false;
    memcpy(buf, s, n);
    buf[n] = 0;
    bool v6 = ip_parse(buf, &ip) == ERR_OK && ip.family == AF_INET6;
    return v6 && ip.b[0] == 0xfe && (ip.b[1] & 0xc0) == 0x80;
}

static bool refuse_link_local(const struct arg *a, const struct element *e)
{
    if (!is_link_local(e->text)) return false;
    issue_error(a->ld->issues, element_place(a, e, 0), e->text,
                "'%s' is a link-local address, and neither IKE nor SAs say which link they mean",
                e->text);
    issue_hint(a->ld->issues, "give both hosts a unique local address on that link, as in "
                              "fd00:1::1/64, and write that");
    return true;
}

static bool host_read(const struct arg *a, const struct element *e, struct conf_host *h)
{
    *h = (struct conf_host){0};
    if (any_host(e->text, h)) return true;
    if (e->text[0] == '%') {
        bad_host(a, e, "is not a host");
        return false;
    }
    if (refuse_link_local(a, e)) return false;
    if (strchr(e->text, '/')) return prefix_host(a, e, h);
    if (range_split(a, e, h)) return range_host(a, e, h);
    h->hi = h->lo = (ip_t){0};
    if (ip_parse(e->text, &h->lo) != ERR_OK) return named_host(a, e, h);
    h->hi = h->lo;
    h->family = h->lo.family;
    return true;
}

static void set_hosts(const struct arg *a, struct conf_host *list, unsigned *n)
{
    for (struct element e = {0}; value_next(a, &e);) {
        if (*n == CONF_LIST_MAX) {
            issue_error(a->ld->issues, element_place(a, &e, 0), e.text, "this list is too long");
            issue_hint(a->ld->issues, "at most %u entries; a prefix or range covers many",
                       CONF_LIST_MAX);
            return;
        }
        if (host_read(a, &e, &list[*n])) ++*n;
    }
}

void set_local_addrs(const struct arg *a)
{
    struct conf_conn *c = a->to;
    set_hosts(a, c->local_addr, &c->local_addr_n);
}

void set_remote_addrs(const struct arg *a)
{
    struct conf_conn *c = a->to;
    set_hosts(a, c->remote_addr, &c->remote_addr_n);
}
