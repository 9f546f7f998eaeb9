// addr.h - IP addresses, prefixes, ranges and endpoints as values that cannot be mixed up.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cursor.h"

// IPv4 or IPv6 address. family is AF_INET, AF_INET6 or AF_UNSPEC (none). Network byte order;
// bytes beyond ip_len() are zero, so two addresses are equal when the structs are.
typedef struct {
    uint16_t family;
    uint8_t b[16];
} ip_t;

// Address and UDP/TCP port (host byte order).
typedef struct {
    ip_t ip;
    uint16_t port;
} endpoint_t;

// Network of `len` leading bits.
typedef struct {
    ip_t ip;
    uint8_t len;
} prefix_t;

#define IP_TEXT_MAX 48       // "ffff:...:255.255.255.255" and the terminator
#define ENDPOINT_TEXT_MAX 58 // "[addr]:65535"
#define PREFIX_TEXT_MAX 52   // "addr/128"

static inline unsigned ip_len(uint16_t family)
{
    return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}
static inline unsigned ip_bits(uint16_t family)
{
    return ip_len(family) * 8;
}
static inline ip_t ip_from(uint16_t family, const void *bytes)
{
    ip_t a = {.family = family};
    if (family == AF_INET) memcpy(a.b, bytes, 4);
    if (family == AF_INET6) memcpy(a.b, bytes, 16);
    return a;
}
err_t ip_parse(const char *s, ip_t *out); // numeric only. ERR_SYNTAX
static inline bool ip_eq(const ip_t *a, const ip_t *b)
{
    uint64_t x[2], y[2];
    memcpy(x, a->b, sizeof x);
    memcpy(y, b->b, sizeof y);
    return a->family == b->family && ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}
int ip_cmp(const ip_t *a, const ip_t *b); // family first, then the bytes
// AF_UNSPEC or all zero
static inline bool ip_is_any(const ip_t *a)
{
    uint64_t x[2];
    memcpy(x, a->b, sizeof x);
    return a->family == AF_UNSPEC || (x[0] | x[1]) == 0;
}
const char *ip_show(const ip_t *a, char buf[IP_TEXT_MAX]); // returns buf; "%any" for AF_UNSPEC

static inline bool endpoint_eq(const endpoint_t *a, const endpoint_t *b)
{
    return a->port == b->port && ip_eq(&a->ip, &b->ip);
}
const char *endpoint_show(const endpoint_t *e,
                          char buf[ENDPOINT_TEXT_MAX]); // 1.2.3.4:500, [::1]:500
socklen_t endpoint_to_sockaddr(const endpoint_t *e, struct sockaddr_storage *out);
err_t endpoint_from_sockaddr(const void *sa, socklen_t len,
                             endpoint_t *out); // IPv4-mapped becomes IPv4

err_t prefix_parse(const char *s, prefix_t *out); // "10.0.0.0/8", "::1"; host bits are kept
bool prefix_has(const prefix_t *p, const ip_t *a);
bool bits_eq(const void *a, const void *b, unsigned bits); // leading bits equal?
const char *prefix_show(const prefix_t *p, char buf[PREFIX_TEXT_MAX]);
void prefix_range(const prefix_t *p, ip_t *first, ip_t *last);
// true if first..last is exactly one prefix, which is stored.
bool prefix_from_range(const ip_t *first, const ip_t *last, prefix_t *out);
