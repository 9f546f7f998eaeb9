#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ike/codec/payloads.h"

#define TS_IPV4_ADDR_RANGE 7
#define TS_IPV6_ADDR_RANGE 8
#define TS_SECLABEL 10 // RFC 9478
#define TS_HEAD_LEN 4  // type, protocol, length: what a selector of unknown type has, too

static bool ts_opaque(const struct ts *t)
{
    return t->port_lo == UINT16_MAX && t->port_hi == 0;
}

// One selector of a known type; `r` holds what follows its length field.
static err_t selector_read(uint8_t type, uint8_t proto, rd_t r, struct ts *out)
{
    uint16_t family = type == TS_IPV4_ADDR_RANGE ? AF_INET : AF_INET6;
    struct ts t = {.proto = proto, .port_lo = rd_u16(&r), .lo.family = family, .hi.family = family};
    t.port_hi = rd_u16(&r);
    rd_copy(&r, t.lo.b, ip_len(family));
    rd_copy(&r, t.hi.b, ip_len(family));
    TRY(rd_done(&r));
    if (ip_cmp(&t.lo, &t.hi) > 0) return ERR_SYNTAX;
    if (t.port_lo > t.port_hi && !ts_opaque(&t)) return ERR_SYNTAX;
    *out = t;
    return ERR_OK;
}

err_t ts_read(span_t body, struct ts_list *out)
{
    rd_t r = rd_from(body);
    unsigned count = rd_u8(&r);
    (void)rd_bytes(&r, 3); // rfc7296 2.5 MUST: RESERVED is ignored on receipt
    struct ts_list l = {0};
    for (unsigned i = 0; i < count; i++) {
        uint8_t type = rd_u8(&r), proto = rd_u8(&r);
        uint16_t len = rd_u16(&r);
        if (len < TS_HEAD_LEN) return r.bad ? ERR_SHORT : ERR_SYNTAX;
        span_t rest = rd_bytes(&r, len - TS_HEAD_LEN);
        if (r.bad) return ERR_SHORT;
        // rfc7296 2.9 MUST: a selector of unknown type is ignored
        if (type != TS_IPV4_ADDR_RANGE && type != TS_IPV6_ADDR_RANGE) continue;
        if (l.n == TS_MAX) return ERR_LIMIT;
        TRY(selector_read(type, proto, rd_from(rest), &l.ts[l.n++]));
    }
    TRY(rd_done(&r));
    if (count == 0) return ERR_SYNTAX;
    *out = l;
    return ERR_OK;
}

err_t ts_next_label(span_t body, unsigned *i, span_t *label)
{
    rd_t r = rd_from(body);
    unsigned count = rd_u8(&r);
    (void)rd_bytes(&r, 3);
    for (unsigned k = 0; k < count && !r.bad; k++) {
        uint8_t type = rd_u8(&r);
        (void)rd_u8(&r);
        uint16_t len = rd_u16(&r);
        span_t s = rd_bytes(&r, len > TS_HEAD_LEN ? len - TS_HEAD_LEN : 0);
        if (k < *i || type != TS_SECLABEL || r.bad) continue;
        *i = k + 1;
        *label = span(s.at, s.len && s.at[s.len - 1] == 0 ? s.len - 1 : s.len);
        return ERR_OK;
    }
    return ERR_NOTFOUND;
}

static void label_write(wr_t *w, span_t label)
{
    wr_u8(w, TS_SECLABEL);
    wr_u8(w, 0);
    wr_u16(w, (uint16_t)(TS_HEAD_LEN + label.len + 1));
    wr_bytes(w, label);
    wr_u8(w, 0); // as text is ended elsewhere, by which some peers know it
}

void ts_write(wr_t *w, const struct ts_list *l, span_t label)
{
    wr_u8(w, (uint8_t)(l->n + (label.len > 0)));
    wr_zero(w, 3); // rfc7296 2.5 MUST: RESERVED is sent as zero
    for (unsigned i = 0; i < l->n; i++) {
        const struct ts *t = &l->ts[i];
        unsigned len = ip_len(t->lo.family);
        wr_u8(w, t->lo.family == AF_INET ? TS_IPV4_ADDR_RANGE : TS_IPV6_ADDR_RANGE);
        wr_u8(w, t->proto);
        wr_u16(w, (uint16_t)(TS_HEAD_LEN + 4 + 2 * len));
        wr_u16(w, t->port_lo);
        wr_u16(w, t->port_hi);
        wr_bytes(w, span(t->lo.b, len));
        wr_bytes(w, span(t->hi.b, len));
    }
    if (label.len) label_write(w, label);
}

struct ts ts_from_prefix(const prefix_t *p)
{
    struct ts t = {.port_hi = UINT16_MAX};
    prefix_range(p, &t.lo, &t.hi);
    return t;
}

static size_t ts_list_len(const struct ts_list *l)
{
    return offsetof(struct ts_list, ts) + l->n * sizeof(struct ts);
}

struct ts_list *ts_keep(const struct ts_list *l)
{
    struct ts_list *kept = malloc(ts_list_len(l));
    if (kept) memcpy(kept, l, ts_list_len(l));
    return kept;
}

static int ts_order(const void *a, const void *b)
{
    const struct ts *x = a, *y = b;
    if (x->lo.family != y->lo.family) return x->lo.family == AF_INET ? -1 : 1;
    int from = memcmp(x->lo.b, y->lo.b, ip_len(x->lo.family));
    if (from) return from;
    int to = memcmp(y->hi.b, x->hi.b, ip_len(x->hi.family));
    if (to) return to;
    if (x->proto != y->proto) return x->proto - y->proto;
    return x->port_lo != y->port_lo ? x->port_lo - y->port_lo : y->port_hi - x->port_hi;
}

void ts_sort(struct ts_list *l)
{
    qsort(l->ts, l->n, sizeof *l->ts, ts_order);
}

void ts_copy(struct ts_list *to, const struct ts_list *from)
{
    memcpy(to, from, ts_list_len(from));
}
