#include "see/capture.h"

#include <inttypes.h>
#include <string.h>

#define MAGIC_MICRO 0xa1b2c3d4U
#define MAGIC_NANO 0xa1b23c4dU
#define MAGIC_MODIFIED 0xa1b2cd34U // Kuznetzov's: eight bytes more in each record
#define PCAP_RECORD 16
#define MODIFIED_MORE 8

#define NG_SECTION 0x0a0d0d0aU
#define NG_ORDER 0x1a2b3c4dU
#define NG_INTERFACE 1U
#define NG_PACKET_OLD 2U
#define NG_SIMPLE 3U
#define NG_ENHANCED 6U
#define NG_BLOCK_MIN 12U
#define NG_OPTION_END 0
#define NG_OPTION_RESOLUTION 9

#define SNOOP_ETHERNET 4U
#define SNOOP_VERSION 2U
#define SNOOP_RECORD 24

#define SECOND 1000000000ULL

static uint32_t u32(const struct capture *c, rd_t *r)
{
    uint32_t v = rd_u32(r);
    return c->little ? __builtin_bswap32(v) : v;
}

static uint16_t u16(const struct capture *c, rd_t *r)
{
    uint16_t v = rd_u16(r);
    return c->little ? __builtin_bswap16(v) : v;
}

static size_t offset(const struct capture *c)
{
    return (size_t)(c->r.at - c->file.at);
}

const char *capture_kind_name(const struct capture *c)
{
    static const char *const names[] = {"pcap", "pcapng", "snoop"};
    return names[c->kind];
}

// ---- beginnings ----

static bool pcap_magic(struct capture *c, uint32_t magic)
{
    uint64_t unit = magic == MAGIC_NANO ? 1 : 1000;
    if (magic != MAGIC_MICRO && magic != MAGIC_NANO && magic != MAGIC_MODIFIED) return false;
    c->kind = CAPTURE_PCAP;
    c->link[0] = (struct capture_link){.per_unit = unit, .units = magic == MAGIC_MODIFIED};
    c->links = 1;
    return true;
}

static err_t pcap_open(struct capture *c, struct why *why)
{
    (void)rd_bytes(&c->r, 16); // versions, time zone, accuracy, length of a snap
    uint32_t link = u32(c, &c->r);
    if (c->r.bad) return why_not(why, ERR_SHORT, "the file ends within the header of pcap");
    c->link[0].type = (uint16_t)link; // above stand the length of a checksum, and flags
    return ERR_OK;
}

static err_t snoop_open(struct capture *c, struct why *why)
{
    (void)rd_u32(&c->r); // the rest of the name
    uint32_t version = rd_u32(&c->r), link = rd_u32(&c->r);
    if (c->r.bad) return why_not(why, ERR_SHORT, "the file ends within the header of snoop");
    if (version != SNOOP_VERSION || link != SNOOP_ETHERNET) {
        return why_not(why, ERR_SYNTAX, "snoop of version %u and link %u; known is 2 on Ethernet",
                       version, link);
    }
    c->kind = CAPTURE_SNOOP;
    c->links = 1;
    c->link[0] = (struct capture_link){.type = 1, .per_unit = 1000};
    return ERR_OK;
}

err_t capture_open(struct capture *c, span_t file, struct why *why)
{
    *c = (struct capture){.r = rd_from(file), .file = file};
    uint32_t magic = rd_u32(&c->r);
    if (c->r.bad) return why_not(why, ERR_SHORT, "the file has %zu bytes: no capture", file.len);
    if (magic == NG_SECTION) {
        c->kind = CAPTURE_PCAPNG;
        c->r = rd_from(file); // each section begins like this one
        return ERR_OK;
    }
    if (magic == 0x736e6f6fU) return snoop_open(c, why); // "snoo"
    if (pcap_magic(c, magic)) return pcap_open(c, why);
    c->little = true;
    if (pcap_magic(c, __builtin_bswap32(magic))) return pcap_open(c, why);
    return why_not(why, ERR_SYNTAX, "the file begins with %08x: neither pcap nor pcapng nor snoop",
                   magic);
}

// ---- records ----

// The bytes of a frame of which the file says that it has `have`.
static err_t frame_bytes(struct capture *c, rd_t *r, uint32_t have, struct frame *out,
                         struct why *why)
{
    if (have > CAPTURE_FRAME_MAX) {
        return why_not(why, ERR_LIMIT,
                       "broken at byte %zu, behind %" PRIu64
                       " frames: the next one would have %u bytes, and none has over %u",
                       offset(c), c->frames, have, CAPTURE_FRAME_MAX);
    }
    out->bytes = rd_bytes(r, have);
    if (r->bad) {
        return why_not(why, ERR_SHORT,
                       "the file is cut off within frame %" PRIu64 ": %u bytes of it should follow",
                       c->frames + 1, have);
    }
    if (out->wire_len < have) out->wire_len = have;
    out->number = ++c->frames;
    return ERR_OK;
}

static err_t pcap_next(struct capture *c, struct frame *out, struct why *why)
{
    rd_t *r = &c->r;
    uint64_t s = u32(c, r), part = u32(c, r);
    uint32_t have = u32(c, r);
    *out = (struct frame){.link = c->link[0].type, .wire_len = u32(c, r)};
    if (c->link[0].units) (void)rd_bytes(r, MODIFIED_MORE);
    out->time = s * SECOND + part * c->link[0].per_unit;
    if (r->bad) {
        return why_not(why, ERR_SHORT, "the file is cut off within the header of frame %" PRIu64,
                       c->frames + 1);
    }
    return frame_bytes(c, r, have, out, why);
}

static err_t snoop_next(struct capture *c, struct frame *out, struct why *why)
{
    rd_t *r = &c->r;
    *out = (struct frame){.link = c->link[0].type, .wire_len = rd_u32(r)};
    uint32_t have = rd_u32(r), record = rd_u32(r);
    (void)rd_u32(r); // drops
    uint64_t s = rd_u32(r), micro = rd_u32(r);
    out->time = s * SECOND + micro * 1000;
    if (r->bad || record < SNOOP_RECORD || record - SNOOP_RECORD < have) {
        return why_not(why, ERR_SHORT, "broken at byte %zu: no header of frame %" PRIu64, offset(c),
                       c->frames + 1);
    }
    TRY(frame_bytes(c, r, have, out, why));
    uint32_t padding = record - SNOOP_RECORD - have;
    (void)rd_bytes(r, padding <= rd_left(r) ? padding : rd_left(r));
    return ERR_OK;
}

// ---- pcapng ----

// A section: byte order anew, interfaces anew. r stands behind type and length.
static err_t section_open(struct capture *c, rd_t *r, struct why *why)
{
    uint32_t order = rd_u32(r);
    if (order != NG_ORDER && order != __builtin_bswap32(NG_ORDER))
        return why_not(why, ERR_SYNTAX, "broken at byte %zu: no byte order", offset(c));
    c->little = order != NG_ORDER;
    c->links = 0;
    return ERR_OK;
}

static void resolution_set(struct capture_link *l, uint8_t v)
{
    uint64_t units = 1;
    unsigned power = v & 0x7f;
    for (unsigned i = 0; i < power && units < 1ULL << 59; i++) units *= v & 0x80 ? 2 : 10;
    l->units = units;
    l->per_unit = units <= SECOND && SECOND % units == 0 ? SECOND / units : 0;
}

static void interface_add(struct capture *c, rd_t r)
{
    if (c->links == CAPTURE_LINKS_MAX) return;
    struct capture_link l = {.type = u16(c, &r), .per_unit = 1000, .units = 1000000};
    (void)rd_bytes(&r, 6); // reserved, length of a snap
    while (rd_left(&r) >= 4) {
        uint16_t code = u16(c, &r), len = u16(c, &r);
        span_t value = rd_bytes(&r, len);
        (void)rd_bytes(&r, (4 - len % 4U) % 4);
        if (code == NG_OPTION_END || r.bad) break;
        if (code == NG_OPTION_RESOLUTION && len == 1) resolution_set(&l, value.at[0]);
    }
    c->link[c->links++] = l;
}

static uint64_t time_of(const struct capture_link *l, uint64_t units)
{
    if (l->per_unit) return units * l->per_unit;
    uint64_t rest = units % l->units;
    return units / l->units * SECOND + (uint64_t)((double)rest / (double)l->units * (double)SECOND);
}

// A block with a frame; ERR_AGAIN: it is of an interface that nobody described.
static err_t block_frame(struct capture *c, uint32_t type, rd_t r, struct frame *out,
                         struct why *why)
{
    uint32_t id = 0, have;
    uint64_t at = 0;
    *out = (struct frame){0};
    if (type == NG_ENHANCED) id = u32(c, &r);
    if (type == NG_PACKET_OLD) {
        id = u16(c, &r);
        (void)u16(c, &r); // drops
    }
    if (type != NG_SIMPLE) {
        at = (uint64_t)u32(c, &r) << 32;
        at |= u32(c, &r);
    }
    have = type == NG_SIMPLE ? 0 : u32(c, &r);
    out->wire_len = u32(c, &r);
    if (type == NG_SIMPLE)
        have = out->wire_len < rd_left(&r) ? out->wire_len : (uint32_t)rd_left(&r);
    if (id >= c->links) {
        c->frames++; // other programs count it, too
        c->skipped++;
        return ERR_AGAIN;
    }
    out->link = c->link[id].type;
    if (type != NG_SIMPLE) out->time = time_of(&c->link[id], at);
    return frame_bytes(c, &r, have, out, why);
}

// The next block; ERR_AGAIN: it holds no frame.
static err_t block_next(struct capture *c, struct frame *out, struct why *why)
{
    size_t at = offset(c);
    rd_t *r = &c->r;
    uint32_t type = u32(c, r);
    rd_t peek = *r;
    (void)rd_u32(&peek);
    if (type == NG_SECTION) TRY(section_open(c, &peek, why));
    uint32_t len = u32(c, r);
    if (r->bad) return why_not(why, ERR_SHORT, "the file is cut off at byte %zu", at);
    if (len < NG_BLOCK_MIN || len % 4) {
        return why_not(why, ERR_SYNTAX, "broken at byte %zu: a block of %u bytes cannot be", at,
                       len);
    }
    rd_t body = rd_from(rd_bytes(r, len - NG_BLOCK_MIN));
    uint32_t again = u32(c, r);
    if (r->bad) {
        return why_not(why, ERR_SHORT, "the file is cut off within a block of %u bytes at byte %zu",
                       len, at);
    }
    if (again != len) {
        return why_not(why, ERR_SYNTAX, "broken at byte %zu: a block's two lengths are %u and %u",
                       at, len, again);
    }
    if (type == NG_INTERFACE) interface_add(c, body);
    if (type != NG_ENHANCED && type != NG_SIMPLE && type != NG_PACKET_OLD) return ERR_AGAIN;
    return block_frame(c, type, body, out, why);
}

err_t capture_next(struct capture *c, struct frame *out, struct why *why)
{
    err_t e = ERR_AGAIN;
    while (e == ERR_AGAIN) {
        if (rd_left(&c->r) == 0) return ERR_CLOSED;
        e = c->kind == CAPTURE_PCAP    ? pcap_next(c, out, why)
            : c->kind == CAPTURE_SNOOP ? snoop_next(c, out, why)
                                       : block_next(c, out, why);
    }
    return e;
}
