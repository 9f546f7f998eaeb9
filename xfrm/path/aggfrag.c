#include "xfrm/path/aggfrag.h"

#include <string.h>

#include "base/order.h"
#include "xfrm/path/ecn.h"
#include "xfrm/path/ip_head.h"

#define SUBTYPE_PLAIN 0
#define SUBTYPE_CC 1

// ---- lengths ----

// Bytes of a header that tell how long its packet is.
static uint32_t telling(const uint8_t *at)
{
    return ip_is_v6(at) ? 6 : 4;
}

// How long the packet is whose first bytes these are. 0: it cannot be told yet.
static uint32_t total_of(const uint8_t *at, uint32_t have)
{
    if (have < telling(at)) return 0;
    return ip_is_v6(at) ? IP6_HEADER + get16(at + 4) : get16(at + 2);
}

static bool is_sane(const uint8_t *at, uint32_t total)
{
    return total >= (ip_is_v6(at) ? IP6_HEADER : IP4_HEADER) && total <= AGG_INNER_MAX;
}

// ---- what began earlier ----

static void give_up(struct agg_part *part, const struct agg_sink *sink)
{
    if (!part) return;
    if (part->have) sink->lost(sink->ctx);
    part->have = 0;
}

// Congestion that one of its payloads has met is told with the whole packet.
static uint8_t merged(uint8_t tos, uint8_t other)
{
    return (other & ECN_MASK) == ECN_CE ? tos | ECN_CE : tos;
}

// `n` more bytes of it, of `offset` that the sender says are missing. False: it contradicts itself.
static bool append(struct agg_part *part, const uint8_t *at, uint32_t n, uint32_t offset)
{
    if (n > AGG_INNER_MAX - part->have) return false;
    memcpy(part->at + part->have, at, n);
    uint32_t before = part->have, total = total_of(part->at, before + n);
    part->have += n;
    if (total == 0) return n < offset; // a header in more than two pieces
    return is_sane(part->at, total) && total - before == offset;
}

// rfc9347 2.2.3 MUST: an inner packet goes on in the payload of the next number, and ends where
// BlockOffset says
static void go_on(struct agg_part *part, const struct agg_payload *p, uint32_t offset,
                  const struct agg_sink *sink)
{
    const uint32_t n = offset < p->len ? offset : p->len;
    if (!append(part, p->at, n, offset)) {
        give_up(part, sink);
        return;
    }
    part->next = p->seq + 1;
    part->tos = merged(part->tos, p->tos);
    if (n < offset) return;
    sink->packet(sink->ctx, part->at, part->have, part->tos);
    part->have = 0;
}

// ---- blocks ----

static void begin(struct agg_part *part, const struct agg_payload *p, const uint8_t *at, uint32_t n,
                  const struct agg_sink *sink)
{
    if (!part) { // nor will it
        sink->lost(sink->ctx);
        return;
    }
    memcpy(part->at, at, n);
    part->have = n;
    part->next = p->seq + 1;
    part->tos = p->tos;
}

// The block at `at`; returns its bytes, `left` for the last one.
static uint32_t block(struct agg_part *part, const struct agg_payload *p, const uint8_t *at,
                      uint32_t left, const struct agg_sink *sink)
{
    const uint8_t kind = at[0] >> 4;
    if (kind == 0) return left; // rfc9347 6.1.3.1: padding goes to the end
    uint32_t total = kind == 4 || kind == 6 ? total_of(at, left) : 0;
    bool told = kind == 4 || kind == 6 ? left >= telling(at) : true;
    if (told && !is_sane(at, total)) {
        sink->lost(sink->ctx); // where the next one begins cannot be known
        return left;
    }
    if (!told || total > left) {
        begin(part, p, at, left, sink);
        return left;
    }
    sink->packet(sink->ctx, at, total, p->tos);
    return total;
}

// Takes the header off. False: there is none that we know.
static bool open(struct agg_payload *p, uint32_t *offset)
{
    if (p->len < AGG_HEADER) return false;
    const uint32_t head = p->at[0] == SUBTYPE_CC ? AGG_HEADER_CC : AGG_HEADER;
    if (p->at[0] > SUBTYPE_CC || p->len < head) return false;
    *offset = get16(p->at + 2);
    p->at += head;
    p->len -= head;
    return true;
}

void agg_read(struct agg_part *part, const struct agg_payload *whole, const struct agg_sink *sink)
{
    struct agg_payload p = *whole;
    uint32_t offset = 0;
    if (part && part->have && p.seq != part->next) give_up(part, sink);
    if (p.len > 0 && !open(&p, &offset)) {
        give_up(part, sink);
        sink->lost(sink->ctx);
        return;
    }
    bool empty = offset == 0 && (p.len == 0 || p.at[0] >> 4 == 0);
    if (empty) { // rfc9347 2.2.3: nothing but padding may come in between
        if (part) part->next = p.seq + 1;
        return;
    }
    if (offset == 0) give_up(part, sink);
    if (part && part->have) go_on(part, &p, offset, sink);
    while (offset < p.len) offset += block(part, &p, p.at + offset, p.len - offset, sink);
}
