#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

err_t ip_parse(const char *s, ip_t *out)
{
    ip_t a = {.family = strchr(s, ':') ? AF_INET6 : AF_INET};
    if (inet_pton(a.family, s, a.b) != 1) return ERR_SYNTAX;
    *out = a;
    return ERR_OK;
}

int ip_cmp(const ip_t *a, const ip_t *b)
{
    if (a->family != b->family) return a->family < b->family ? -1 : 1;
    return memcmp(a->b, b->b, ip_len(a->family));
}

const char *ip_show(const ip_t *a, char buf[IP_TEXT_MAX])
{
    if (!ip_len(a->family) || !inet_ntop(a->family, a->b, buf, IP_TEXT_MAX)) {
        (void)snprintf(buf, IP_TEXT_MAX, "%%any");
    }
    return buf;
}

const char *endpoint_show(const endpoint_t *e, char buf[ENDPOINT_TEXT_MAX])
{
    char ip[IP_TEXT_MAX];
    bool v6 = e->ip.family == AF_INET6;
    (void)snprintf(buf, ENDPOINT_TEXT_MAX, "%s%s%s:%u", v6 ? "[" : "", ip_show(&e->ip, ip),
                   v6 ? "]" : "", e->port);
    return buf;
}

socklen_t endpoint_to_sockaddr(const endpoint_t *e, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (e->ip.family == AF_INET6) {
        struct sockaddr_in6 *s6 = (struct sockaddr_in6 *)out;
        s6->sin6_family = AF_INET6;
        s6->sin6_port = htons(e->port);
        memcpy(&s6->sin6_addr, e->ip.b, 16);
        return sizeof *s6;
    }
    struct sockaddr_in *s4 = (struct sockaddr_in *)out;
    s4->sin_family = AF_INET;
    s4->sin_port = htons(e->port);
    memcpy(&s4->sin_addr, e->ip.b, 4);
    return sizeof *s4;
}

err_t endpoint_from_sockaddr(const void *sa, socklen_t len, endpoint_t *out)
{
    const struct sockaddr *any = sa;
    if (any->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *s4 = sa;
        *out = (endpoint_t){ip_from(AF_INET, &s4->sin_addr), ntohs(s4->sin_port)};
        return ERR_OK;
    }
    if (any->sa_family != AF_INET6 || len < sizeof(struct sockaddr_in6)) return ERR_SYNTAX;
    const struct sockaddr_in6 *s6 = sa;
    bool mapped = IN6_IS_ADDR_V4MAPPED(&s6->sin6_addr);
    out->ip =
        mapped ? ip_from(AF_INET, s6->sin6_addr.s6_addr + 12) : ip_from(AF_INET6, &s6->sin6_addr);
    out->port = ntohs(s6->sin6_port);
    return ERR_OK;
}

bool bits_eq(const void *a, const void *b, unsigned bits)
{
    const uint8_t *x = a, *y = b;
    unsigned whole = bits / 8, rest = bits % 8;
    if (whole && memcmp(x, y, whole) != 0) return false;
    return rest == 0 || ((x[whole] ^ y[whole]) >> (8 - rest)) == 0;
}

err_t prefix_parse(const char *s, prefix_t *out)
{
    char ip[IP_TEXT_MAX];
    const char *slash = strchr(s, '/');
    size_t n = slash ? (size_t)(slash - s) : strlen(s);
    if (n >= sizeof ip) return ERR_SYNTAX;
    memcpy(ip, s, n);
    ip[n] = 0;
    prefix_t p;
    TRY(ip_parse(ip, &p.ip));
    p.len = (uint8_t)ip_bits(p.ip.family);
    if (slash) {
        char *end;
        if (slash[1] < '0' || slash[1] > '9') return ERR_SYNTAX;
        unsigned long len = strtoul(slash + 1, &end, 10);
        if (*end) return ERR_SYNTAX;
        if (len > p.len) return ERR_RANGE;
        p.len = (uint8_t)len;
    }
    *out = p;
    return ERR_OK;
}

bool prefix_has(const prefix_t *p, const ip_t *a)
{
    return p->ip.family == a->family && bits_eq(p->ip.b, a->b, p->len);
}

const char *prefix_show(const prefix_t *p, char buf[PREFIX_TEXT_MAX])
{
    char ip[IP_TEXT_MAX];
    (void)snprintf(buf, PREFIX_TEXT_MAX, "%s/%u", ip_show(&p->ip, ip), p->len);
    return buf;
}

void prefix_range(const prefix_t *p, ip_t *first, ip_t *last)
{
    *first = *last = p->ip;
    for (unsigned i = p->len; i < ip_bits(p->ip.family); i++) {
        uint8_t bit = (uint8_t)(0x80 >> (i % 8));
        first->b[i / 8] = (uint8_t)(first->b[i / 8] & ~bit);
        last->b[i / 8] |= bit;
    }
}

bool prefix_from_range(const ip_t *first, const ip_t *last, prefix_t *out)
{
    if (first->family != last->family) return false;
    unsigned bits = ip_bits(first->family), len = 0;
    while (len < bits && bits_eq(first->b, last->b, len + 1)) len++;
    prefix_t p = {*first, (uint8_t)len};
    ip_t lo, hi;
    prefix_range(&p, &lo, &hi);
    if (!ip_eq(&lo, first) || !ip_eq(&hi, last)) return false;
    *out = p;
    return true;
}
