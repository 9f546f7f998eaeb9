#include "ike/codec/proposal.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROPOSAL_HEAD_LEN 8
#define TRANSFORM_HEAD_LEN 8
#define MORE_PROPOSALS 2 // "Last Substruc" of all but the last
#define MORE_TRANSFORMS 3
#define ATTR_FIXED 0x8000 // AF bit: the value is the two bytes that follow the type
#define ATTR_KEY_LENGTH 14

// rfc7296 3.3.6 MUST: an attribute that is not understood makes the transform unusable, not the
// message malformed.
static void attributes_read(rd_t *r, struct transform *t)
{
    while (rd_left(r) > 0) {
        uint16_t type = rd_u16(r), value = rd_u16(r);
        if (!(type & ATTR_FIXED)) (void)rd_bytes(r, value);
        bool key_len = type == (ATTR_FIXED | ATTR_KEY_LENGTH) && value > 0 && value % 8 == 0;
        // rfc7296 3.3 MUST NOT: two attributes of one type
        if (!key_len || t->key_len != 0) t->unusable = true;
        if (key_len) t->key_len = value / 8;
    }
}

// One substructure: "Last Substruc", RESERVED, length. `rest` is what follows in it.
static err_t substruc_read(rd_t *r, uint8_t more, uint16_t min, rd_t *rest)
{
    uint8_t last = rd_u8(r);
    (void)rd_u8(r); // rfc7296 2.5 MUST: RESERVED is ignored on receipt
    uint16_t len = rd_u16(r);
    if (r->bad) return ERR_SHORT;
    if (len < min) return ERR_SYNTAX;
    *rest = rd_from(rd_bytes(r, len - 4U));
    if (r->bad) return ERR_SHORT;
    // rfc7296 3.3 MUST: the payload length agrees with the lengths and counts inside
    return last == (rd_left(r) > 0 ? more : 0) ? ERR_OK : ERR_SYNTAX;
}

static err_t transform_read(rd_t *r, struct transform *t)
{
    rd_t in;
    TRY(substruc_read(r, MORE_TRANSFORMS, TRANSFORM_HEAD_LEN, &in));
    *t = (struct transform){.type = rd_u8(&in)};
    (void)rd_u8(&in);
    t->id = rd_u16(&in);
    attributes_read(&in, t);
    return rd_done(&in);
}

// rfc7296 3.3.1: none or the new IKE SPI for IKE, four bytes for AH and ESP.
static bool spi_len_fits(uint8_t protocol, uint8_t len)
{
    switch (protocol) {
    case PROTO_IKE:
        return len == 0 || len == 8;
    case PROTO_AH:
    case PROTO_ESP:
        return len == 4;
    default:
        return len == 0 || len == 4 || len == 8;
    }
}

static err_t proposal_read(rd_t *r, struct proposal *p)
{
    rd_t in;
    TRY(substruc_read(r, MORE_PROPOSALS, PROPOSAL_HEAD_LEN, &in));
    p->number = rd_u8(&in);
    p->protocol = rd_u8(&in);
    p->spi_len = rd_u8(&in);
    unsigned n = rd_u8(&in);
    if (!spi_len_fits(p->protocol, p->spi_len)) return ERR_SYNTAX;
    p->spi = p->spi_len == 8 ? rd_u64(&in) : p->spi_len == 4 ? rd_u32(&in) : 0;
    if (n > PROPOSAL_TRANSFORMS_MAX) return ERR_LIMIT;
    for (p->n = 0; p->n < n; p->n++) TRY(transform_read(&in, &p->t[p->n]));
    return rd_done(&in);
}

err_t proposals_read(span_t body, struct proposals *out)
{
    rd_t r = rd_from(body);
    if (body.len == 0) return ERR_SHORT;
    for (out->n = 0; rd_left(&r) > 0; out->n++) {
        if (out->n == PROPOSALS_MAX) return ERR_LIMIT;
        struct proposal *p = &out->p[out->n];
        TRY(proposal_read(&r, p));
        // rfc7296 3.3 MUST: each number is one more than the one before
        if (out->n > 0 && p->number != p[-1].number + 1) return ERR_SYNTAX;
    }
    return ERR_OK;
}

static void transform_write(wr_t *w, const struct transform *t, bool last)
{
    wr_u8(w, last ? 0 : MORE_TRANSFORMS);
    wr_u8(w, 0); // rfc7296 2.5 MUST: RESERVED is sent as zero
    wr_u16(w, t->key_len ? TRANSFORM_HEAD_LEN + 4 : TRANSFORM_HEAD_LEN);
    wr_u8(w, t->type);
    wr_u8(w, 0);
    wr_u16(w, t->id);
    if (t->key_len == 0) return;
    wr_u16(w, ATTR_FIXED | ATTR_KEY_LENGTH);
    wr_u16(w, (uint16_t)(t->key_len * 8));
}

static void proposal_write(wr_t *w, const struct proposal *p, bool last)
{
    size_t len = PROPOSAL_HEAD_LEN + p->spi_len;
    for (unsigned i = 0; i < p->n; i++)
        len += p->t[i].key_len ? TRANSFORM_HEAD_LEN + 4 : TRANSFORM_HEAD_LEN;
    wr_u8(w, last ? 0 : MORE_PROPOSALS);
    wr_u8(w, 0); // rfc7296 2.5 MUST: RESERVED is sent as zero
    wr_u16(w, (uint16_t)len);
    wr_u8(w, p->number);
    wr_u8(w, p->protocol);
    wr_u8(w, p->spi_len);
    wr_u8(w, (uint8_t)p->n);
    if (p->spi_len == 4) wr_u32(w, (uint32_t)p->spi);
    if (p->spi_len == 8) wr_u64(w, p->spi);
    for (unsigned i = 0; i < p->n; i++) transform_write(w, &p->t[i], i + 1 == p->n);
}

void proposals_write(wr_t *w, const struct proposals *ps)
{
    for (unsigned i = 0; i < ps->n; i++) proposal_write(w, &ps->p[i], i + 1 == ps->n);
}

void proposals_write_one(wr_t *w, const struct proposal *p)
{
    proposal_write(w, p, true);
}

static size_t proposal_len(const struct proposal *p)
{
    return offsetof(struct proposal, t) + p->n * sizeof p->t[0];
}

struct proposal *proposal_keep(const struct proposal *p)
{
    struct proposal *kept = malloc(proposal_len(p));
    if (kept) memcpy(kept, p, proposal_len(p));
    return kept;
}

struct proposals *proposals_keep(const struct proposals *ps)
{
    size_t len = offsetof(struct proposals, p) + ps->n * sizeof ps->p[0];
    struct proposals *kept = malloc(len);
    if (kept) memcpy(kept, ps, len);
    return kept;
}

void proposal_copy(struct proposal *to, const struct proposal *from)
{
    memcpy(to, from, proposal_len(from));
}

err_t proposal_add(struct proposal *p, const struct alg *a)
{
    if (p->n == PROPOSAL_TRANSFORMS_MAX) return ERR_LIMIT;
    // rfc7296 3.3.5 MUST NOT: no Key Length with a transform whose key has one length
    p->t[p->n++] =
        (struct transform){.type = a->type, .id = a->id, .key_len = a->key_attr ? a->key_len : 0};
    return ERR_OK;
}

const struct transform *proposal_get(const struct proposal *p, enum alg_type type)
{
    for (unsigned i = 0; i < p->n; i++) {
        if (p->t[i].type == type) return &p->t[i];
    }
    return NULL;
}

const struct alg *proposal_alg(const struct proposal *p, enum alg_type type)
{
    const struct transform *t = proposal_get(p, type);
    const struct alg *a = t ? alg_find(type, t->id, t->key_len) : NULL;
    // rfc7296 3.3.5 MUST: Key Length always where it is needed, never where it is not
    return a && a->key_attr == (t->key_len != 0) ? a : NULL;
}

bool proposal_has_extra(const struct proposal *p)
{
    for (unsigned i = 0; i < p->n; i++) {
        if (p->t[i].type >= ALG_ADDKE1 && p->t[i].id != KE_NONE) return true;
    }
    return false;
}

static const char *transform_show(const struct transform *t, char *buf, size_t cap)
{
    char name[32];
    bool extra = t->type >= ALG_ADDKE1 && t->type <= ALG_ADDKE7;
    enum alg_type type = extra ? ALG_KE : t->type;
    const struct alg *a = alg_find(type, t->id, t->key_len);
    const char *base = a ? a->name : alg_show(type, t->id, name);
    if (t->type == ALG_ESN && t->id <= ESN_YES) base = t->id == ESN_YES ? "EXT_SEQ" : "NO_EXT_SEQ";
    if (extra) {
        (void)snprintf(buf, cap, "KE%d_%s", t->type - ALG_ADDKE1 + 1, base);
    } else if (t->key_len) {
        (void)snprintf(buf, cap, "%s_%u", base, t->key_len * 8U);
    } else {
        (void)snprintf(buf, cap, "%s", base);
    }
    return buf;
}

static size_t show_type(const struct proposal *p, unsigned type, char *at, size_t room, bool first)
{
    size_t used = 0;
    for (unsigned i = 0; i < p->n && used < room; i++) {
        char one[64];
        if (p->t[i].type != type) continue;
        int n = snprintf(at + used, room - used, "%s%s", first && !used ? "" : "/",
                         transform_show(&p->t[i], one, sizeof one));
        used += n > 0 ? (size_t)n : 0;
    }
    return used < room ? used : room;
}

const char *proposal_show(const struct proposal *p, char buf[256])
{
    // The order in which strongSwan's users know them; it is not that of the types' numbers.
    static const uint8_t first[] = {ALG_ENCR, ALG_INTEG, ALG_PRF, ALG_KE};
    size_t used = 0;
    buf[0] = 0;
    for (size_t i = 0; i < sizeof first; i++) {
        used += show_type(p, first[i], buf + used, 256 - used, used == 0);
    }
    for (unsigned type = ALG_ADDKE1; type <= ALG_ADDKE7; type++) {
        used += show_type(p, type, buf + used, 256 - used, used == 0);
    }
    (void)show_type(p, ALG_ESN, buf + used, 256 - used, used == 0);
    return buf;
}
