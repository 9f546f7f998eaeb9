// Payloads of mode iptfs (RFC 9347) as an authenticated peer may make them. The input is a row of
// them, each behind two bytes: its length, and what happens before it (numbers that are missing, a
// new run without order).
//
//     +--------+------+----------------+
//     | length | what | length*4 bytes |
//     +--------+------+----------------+
//
// What must hold: inner packets are as long as their headers say, no byte is read that is not the
// payload's, nothing is kept beyond what an inner packet may have, and the work is bounded by the
// bytes that came.
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "test/fuzz/must.h"
#include "xfrm/path/aggfrag.h"
#include "xfrm/path/ip_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

struct seen {
    uint64_t bytes, packets, lost;
};

static void on_packet(void *ctx, const uint8_t *at, uint32_t len, uint8_t tos)
{
    struct seen *seen = ctx;
    (void)tos;
    MUST(len >= IP4_HEADER && len <= AGG_INNER_MAX);
    const uint32_t told = ip_is_v6(at) ? IP6_HEADER + get16(at + 4) : get16(at + 2);
    MUST(len == told && (ip_is_v6(at) || at[0] >> 4 == 4));
    for (uint32_t i = 0; i < len; i++) seen->bytes += at[i]; // a sanitizer looks
    seen->packets++;
}

static void on_lost(void *ctx)
{
    ((struct seen *)ctx)->lost++;
}

// An exact copy, so that each overrun shows.
static void read_one(struct agg_part *part, struct agg_payload *p, struct seen *seen)
{
    const struct agg_sink sink = {on_packet, on_lost, seen};
    uint8_t *copy = malloc(p->len ? p->len : 1);
    MUST(copy);
    memcpy(copy, p->at, p->len);
    p->at = copy;
    const uint64_t before = seen->packets + seen->lost;
    agg_read(part, p, &sink);
    MUST(seen->packets + seen->lost - before <= p->len / IP4_HEADER + 3);
    MUST(!part || part->have <= AGG_INNER_MAX);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    struct agg_part part = {.at = malloc(AGG_INNER_MAX)};
    struct seen seen = {0};
    uint64_t seq = 1;
    MUST(part.at);
    while (n >= 2) {
        uint32_t len = in[0] * 4U;
        const uint8_t what = in[1];
        in += 2;
        n -= 2;
        if (len > n) len = (uint32_t)n;
        seq += 1 + (what & 3);
        struct agg_payload p = {.at = in, .len = len, .seq = seq, .tos = what >> 4};
        read_one(what & 4 ? NULL : &part, &p, &seen);
        in += len;
        n -= len;
    }
    free(part.at);
    return 0;
}
