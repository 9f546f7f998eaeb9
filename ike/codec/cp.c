#include "ike/codec/payloads.h"

#include <stdio.h>

#include "base/order.h"

#define CP_RESERVED 3        // bytes after the type
#define CP_TYPE_BITS 0x7fffU // the highest bit is reserved

err_t cp_read(span_t body, struct cp *out)
{
    rd_t r = rd_from(body);
    *out = (struct cp){.type = rd_u8(&r)};
    (void)rd_bytes(&r, CP_RESERVED); // rfc7296 3.15 MUST: RESERVED is ignored on receipt
    while (!r.bad && rd_left(&r)) {
        // rfc7296 3.15.1 MUST: the reserved bit is ignored
        uint16_t type = rd_u16(&r) & CP_TYPE_BITS, len = rd_u16(&r);
        struct cp_attr a = {type, rd_bytes(&r, len)};
        if (!r.bad && out->n == CP_ATTRS_MAX) return ERR_LIMIT;
        if (!r.bad) out->attr[out->n++] = a;
    }
    return rd_done(&r);
}

void cp_write(wr_t *w, const struct cp *c)
{
    wr_u8(w, c->type);
    wr_zero(w, CP_RESERVED);
    for (unsigned i = 0; i < c->n; i++) {
        wr_u16(w, c->attr[i].type & CP_TYPE_BITS);
        wr_u16(w, (uint16_t)c->attr[i].value.len);
        wr_bytes(w, c->attr[i].value);
    }
}

bool cp_add(struct cp *c, uint16_t type, span_t value)
{
    if (c->n == CP_ATTRS_MAX) return false;
    c->attr[c->n++] = (struct cp_attr){type, value};
    return true;
}

err_t cp_addr(const struct cp_attr *a, ip_t *out)
{
    bool v6 = a->type == CP_IP6_ADDRESS;
    switch (a->value.len) {
    case 4:
        *out = ip_from(AF_INET, a->value.at);
        break;
    case 16: // an IPv6 address whose prefix length some peers leave out
    case 17:
        *out = ip_from(AF_INET6, a->value.at);
        break;
    default:
        return ERR_SYNTAX;
    }
    if (a->value.len == 17 && (!v6 || a->value.at[16] > 128)) return ERR_SYNTAX;
    bool want6 = v6 || a->type == CP_IP6_DNS || a->type == CP_IP6_DHCP;
    return want6 == (out->family == AF_INET6) ? ERR_OK : ERR_SYNTAX;
}

err_t cp_net(const struct cp_attr *a, prefix_t *out)
{
    if (a->value.len == 17 && a->value.at[16] <= 128) {
        *out = (prefix_t){ip_from(AF_INET6, a->value.at), a->value.at[16]};
        return ERR_OK;
    }
    if (a->value.len != 8) return ERR_SYNTAX;
    uint32_t mask = get32(a->value.at + 4);
    uint32_t zeros = ~mask;
    if (zeros & (zeros + 1)) return ERR_SYNTAX; // ones, then zeros
    *out = (prefix_t){ip_from(AF_INET, a->value.at), (uint8_t)__builtin_popcount(mask)};
    return ERR_OK;
}

static bool in_name(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

err_t cp_domain(const struct cp_attr *a, char out[CP_DOMAIN_MAX])
{
    size_t n = a->value.len, label = 0;
    if (n && a->value.at[n - 1] == '.') n--; // the root may be written
    if (n == 0 || n >= CP_DOMAIN_MAX) return ERR_SYNTAX;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = a->value.at[i];
        label = c == '.' ? 0 : label + 1;
        if (c == '.' ? i == 0 || a->value.at[i - 1] == '.' : !in_name(c) || label > 63) {
            return ERR_SYNTAX;
        }
        out[i] = (char)c;
    }
    out[n] = 0;
    return ERR_OK;
}

const char *cp_attr_name(uint16_t type, char buf[40])
{
    static const struct {
        uint16_t type;
        const char *name;
    } names[] = {
#define X(name, number, text) {number, text},
        CP_ATTR_LIST(X)
#undef X
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].type != type) continue;
        (void)snprintf(buf, 40, "%s", names[i].name);
        return buf;
    }
    (void)snprintf(buf, 40, "attribute %u", type);
    return buf;
}
