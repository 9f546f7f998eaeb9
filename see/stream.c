#include "see/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"

#define TCP_HEADER 20U
#define FLAG_FIN 1U
#define FLAG_SYN 2U
#define FLAG_RST 4U
#define PREFIX "IKETCP"
#define PREFIX_LEN 6U
#define LENGTH 2U          // bytes of the length in front of each message; it counts itself
#define MARKER 4U          // bytes of zero in front of IKE, where ESP has its SPI
#define ROOM (3U * 65536U) // a message that is not whole, a segment, and those that were ahead

struct segment {
    uint32_t seq;
    uint8_t flags;
    span_t data;
};

static bool segment_read(span_t tcp, struct segment *out)
{
    if (tcp.len < TCP_HEADER) return false;
    size_t head = (tcp.at[12] >> 4) * 4U;
    if (head < TCP_HEADER || head > tcp.len) return false;
    *out = (struct segment){.seq = get32(tcp.at + 4), .flags = tcp.at[13]};
    out->data = span(tcp.at + head, tcp.len - head);
    if (out->flags & FLAG_SYN) out->seq++;
    return true;
}

// ---- directions --------------------------------------------------------------------------------

static void ahead_drop(struct ahead *a)
{
    free(a->at);
    *a = (struct ahead){0};
}

static void stream_drop(struct stream *s)
{
    for (unsigned i = 0; i < STREAM_AHEAD; i++) ahead_drop(&s->ahead[i]);
    free(s->bytes);
    *s = (struct stream){0};
}

void streams_done(struct streams *all)
{
    for (unsigned i = 0; i < STREAMS_MAX; i++) stream_drop(&all->s[i]);
}

static bool endpoint_same(const endpoint_t *a, const endpoint_t *b)
{
    return a->port == b->port && ip_eq(&a->ip, &b->ip);
}

static struct stream *stream_find(struct streams *all, const endpoint_t *from, const endpoint_t *to)
{
    for (struct stream *s = all->s; s < all->s + STREAMS_MAX; s++) {
        if (s->used && endpoint_same(&s->from, from) && endpoint_same(&s->to, to)) return s;
    }
    return NULL;
}

static struct stream *stream_new(struct streams *all, const endpoint_t *from, const endpoint_t *to)
{
    struct stream *best = &all->s[0];
    for (struct stream *s = all->s; s < all->s + STREAMS_MAX && best->used; s++) {
        if (!s->used || s->last_frame < best->last_frame) best = s;
    }
    stream_drop(best);
    best->bytes = malloc(ROOM);
    if (!best->bytes) return NULL;
    best->used = true;
    best->from = *from;
    best->to = *to;
    return best;
}

static bool begins(span_t data)
{
    return data.len >= PREFIX_LEN && memcmp(data.at, PREFIX, PREFIX_LEN) == 0;
}

// The direction that a segment belongs to; NULL: it is other traffic.
static struct stream *stream_of(struct streams *all, const struct dug *d, const struct segment *g)
{
    const endpoint_t from = {d->src, d->sport}, to = {d->dst, d->dport};
    struct stream *s = stream_find(all, &from, &to);
    if (s && !(g->flags & FLAG_SYN)) return s;
    struct stream *back = stream_find(all, &to, &from);
    bool ours = begins(g->data) || (back && back->greeted) || d->sport == 4500 || d->dport == 4500;
    if (!s && (!ours || (!g->data.len && !(g->flags & FLAG_SYN)))) return NULL;
    if (s) stream_drop(s); // a new connection with the old ports
    s = stream_new(all, &from, &to);
    if (s) s->next = g->seq;
    return s;
}

// ---- bytes in order ----------------------------------------------------------------------------

// How many bytes of a segment are there already; negative: so many are missing before it.
static int32_t known(const struct stream *s, uint32_t seq)
{
    return (int32_t)(s->next - seq);
}

static bool append(struct stream *s, uint32_t seq, span_t data)
{
    uint32_t old = (uint32_t)known(s, seq);
    if (old >= data.len) return true; // sent again
    uint32_t fresh = (uint32_t)data.len - old;
    if (fresh > ROOM - s->have) return false;
    memcpy(s->bytes + s->have, data.at + old, fresh);
    s->have += fresh;
    s->next += fresh;
    return true;
}

static bool keep_ahead(struct stream *s, const struct segment *g)
{
    for (unsigned i = 0; i < STREAM_AHEAD; i++) {
        struct ahead *a = &s->ahead[i];
        if (a->at) continue;
        a->at = malloc(g->data.len);
        if (!a->at) return false;
        memcpy(a->at, g->data.at, g->data.len);
        a->seq = g->seq;
        a->len = (uint32_t)g->data.len;
        return true;
    }
    return false;
}

// One that was ahead and is not any more. False: there is none.
static bool take_ahead(struct stream *s)
{
    for (unsigned i = 0; i < STREAM_AHEAD; i++) {
        struct ahead *a = &s->ahead[i];
        if (!a->at || known(s, a->seq) < 0) continue;
        bool fits = append(s, a->seq, span(a->at, a->len));
        ahead_drop(a);
        if (!fits) s->lost = true;
        return fits;
    }
    return false;
}

// ---- messages ----------------------------------------------------------------------------------

// rfc9329 3: "IKETCP" stands before the first message of the one who has opened the connection.
static uint32_t prefix_of(struct stream *s)
{
    if (s->greeted || !begins(span(s->bytes, s->have))) return 0;
    s->greeted = true;
    return PREFIX_LEN;
}

static void message_tell(const struct stream *s, const struct dug *like, span_t body, stream_fn *fn,
                         void *ctx)
{
    struct dug d = {.src = s->from.ip,
                    .dst = s->to.ip,
                    .sport = s->from.port,
                    .dport = s->to.port,
                    .ip = like->ip,
                    .tcp = true,
                    .body = body};
    if (body.len == 1 && body.at[0] == 0xff) d.kind = DUG_KEEPALIVE;
    if (body.len >= MARKER) {
        d.marked = get32(body.at) == 0;
        d.kind = d.marked ? DUG_IKE : DUG_ESP;
        if (d.marked) d.body = span(body.at + MARKER, body.len - MARKER);
    }
    if (d.kind != DUG_NOTHING) fn(ctx, &d);
}

// Takes off what is whole; what is not stays.
static void messages_take(struct stream *s, const struct dug *like, struct note *n, stream_fn *fn,
                          void *ctx)
{
    uint32_t at = prefix_of(s);
    while (!s->lost && s->have - at >= LENGTH) {
        uint32_t len = get16(s->bytes + at);
        if (len < LENGTH) {
            note_fault(n, G_ERROR, "RFC 9329 3", NULL,
                       "a message of %u bytes: the length counts its own two. What follows in this "
                       "direction cannot be read",
                       len);
            s->lost = true;
            break;
        }
        if (len > s->have - at) break;
        message_tell(s, like, span(s->bytes + at + LENGTH, len - LENGTH), fn, ctx);
        at += len;
    }
    memmove(s->bytes, s->bytes + at, s->have - at);
    s->have -= at;
}

static void stream_lose(struct stream *s, struct note *n)
{
    s->lost = true;
    note_fault(n, G_WARNING, "RFC 9329 3", NULL,
               "bytes of the TCP connection are not in the capture: what follows in this direction "
               "cannot be read");
}

void stream_feed(struct streams *all, const struct dug *d, uint64_t frame, struct note *n,
                 stream_fn *fn, void *ctx)
{
    struct segment g;
    if (!segment_read(d->body, &g)) return;
    struct stream *s = stream_of(all, d, &g);
    if (!s) return;
    s->last_frame = frame;
    if (g.data.len && !s->lost) {
        bool early = known(s, g.seq) < 0;
        bool kept = early ? keep_ahead(s, &g) : append(s, g.seq, g.data);
        if (!kept) stream_lose(s, n);
        do messages_take(s, d, n, fn, ctx);
        while (!s->lost && take_ahead(s));
        if (d->cut && !s->lost) stream_lose(s, n);
    }
    if (g.flags & (FLAG_FIN | FLAG_RST)) s->last_frame = 0; // the first to make room
}
