#include "xfrm/path/comp.h"

#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "base/order.h"
#include "xfrm/path/ip_head.h"

#define WINDOW_OUT (-11) // raw deflate, 2 KiB to look back: the kernel's choice
#define WINDOW_IN (-15)  // any peer's
// The kernel takes 9; but of each packet's time most would then go into clearing 128 KiB of hash.
#define MEMORY_OUT 6
#define ZLIB_ROOM (160 << 10) // bytes that zlib asks for: 56 KiB to deflate, 7 + 32 KiB to inflate
#define ZLIB_ALIGN 16
_Static_assert(IP_HEAD_MAX + COMP_INFLATED_MAX + PKT_TAILROOM <= PKT_ROOM, "the largest fits");

// zlib asks for most memory at the start, but for its inflate window with the first packet that
// needs one. All of it comes from here, and none goes back.
struct comp {
    z_stream out, in;
    uint32_t used;    // bytes of `room`
    uint8_t *scratch; // what a packet becomes, until it can take its place
    _Alignas(ZLIB_ALIGN) uint8_t room[ZLIB_ROOM];
};

static voidpf room_take(voidpf ctx, uInt items, uInt size)
{
    struct comp *c = ctx;
    uint64_t n = ((uint64_t)items * size + ZLIB_ALIGN - 1) / ZLIB_ALIGN * ZLIB_ALIGN;
    if (n > ZLIB_ROOM - c->used) return NULL;
    c->used += (uint32_t)n;
    return c->room + c->used - n;
}

static void room_keep(voidpf ctx, voidpf at)
{
    (void)ctx, (void)at;
}

struct comp *comp_new(void)
{
    struct comp *c = aligned_alloc(ZLIB_ALIGN, sizeof *c);
    if (!c) return NULL;
    memset(c, 0, sizeof *c);
    c->out = c->in = (z_stream){.zalloc = room_take, .zfree = room_keep, .opaque = c};
    c->scratch = malloc(COMP_INFLATED_MAX);
    if (c->scratch &&
        deflateInit2(&c->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_OUT, MEMORY_OUT,
                     Z_DEFAULT_STRATEGY) == Z_OK &&
        inflateInit2(&c->in, WINDOW_IN) == Z_OK)
        return c;
    comp_free(c);
    return NULL;
}

void comp_free(struct comp *c)
{
    if (!c) return;
    free(c->scratch);
    free(c);
}

// ---- outbound ----

// Bytes in the scratch; 0: more than `most`.
static uint32_t shrink(struct comp *c, const struct pkt *p, uint32_t most)
{
    z_stream *z = &c->out;
    if (deflateReset(z) != Z_OK) return 0;
    z->next_in = p->at;
    z->avail_in = p->len;
    z->next_out = c->scratch;
    z->avail_out = most;
    return deflate(z, Z_FINISH) == Z_STREAM_END ? most - z->avail_out : 0;
}

bool comp_wrap(struct comp *c, struct pkt *p, uint8_t next)
{
    // rfc3173 2.2 MUST: sent uncompressed where the total with the header is not smaller
    if (p->len < COMP_PAYLOAD_MIN || p->len > COMP_INFLATED_MAX) return false;
    uint32_t got = shrink(c, p, p->len - COMP_HEADER - 1);
    if (got == 0) return false;
    p->at[0] = next;
    p->at[1] = 0;
    put16(p->at + 2, (uint16_t)get32((const uint8_t *)&p->sa->spi));
    memcpy(p->at + COMP_HEADER, c->scratch, got);
    p->len = COMP_HEADER + got;
    return true;
}

// ---- inbound ----

static enum drop grow(struct comp *c, const struct pkt *p, uint32_t *got)
{
    z_stream *z = &c->in;
    if (inflateReset(z) != Z_OK) return DROP_INFLATE;
    z->next_in = p->at + COMP_HEADER;
    z->avail_in = p->len - COMP_HEADER;
    z->next_out = c->scratch;
    z->avail_out = COMP_INFLATED_MAX;
    int end = inflate(z, Z_FINISH);
    *got = COMP_INFLATED_MAX - z->avail_out;
    if (end != Z_STREAM_END) return z->avail_out == 0 ? DROP_BOMB : DROP_INFLATE;
    // as the kernel: nobody compresses what does not shrink
    return *got < p->len ? DROP_INFLATE : DROP_NONE;
}

enum drop comp_open(struct comp *c, struct pkt *p, uint8_t *next)
{
    uint32_t got = 0;
    *next = p->at[0]; // rfc3173 3.3 MUST: the flags are not looked at
    enum drop d = grow(c, p, &got);
    if (d) return d;
    if (p->head && p->head_len > IP_HEAD_MAX) return DROP_MALFORMED_IN;
    p->room = p->own;
    p->size = PKT_ROOM;
    if (p->head) {
        memmove(p->room, p->head, p->head_len);
        p->head = p->room;
    }
    p->at = p->room + IP_HEAD_MAX;
    memcpy(p->at, c->scratch, got);
    p->len = got;
    return DROP_NONE;
}
