#include "see/see.h"

#include <stdlib.h>

#include "see/talk.h"

struct see *see_new(const struct see_options *o)
{
    struct see *s = calloc(1, sizeof *s);
    if (s) s->o = *o;
    return s;
}

void see_free(struct see *s)
{
    if (!s) return;
    for (unsigned i = 0; i < s->talks; i++) hear_done(s->talk[i], s);
    for (unsigned i = 0; i < s->flows; i++) free(s->flow[i]);
    dig_done(&s->dig);
    streams_done(&s->streams);
    free(s);
}

struct note note_of(const struct see *s, const char *kind, const struct dug *d,
                    const struct frame *f)
{
    struct note n = note_new(kind);
    char a[ENDPOINT_TEXT_MAX], b[ENDPOINT_TEXT_MAX];
    endpoint_t src = {d->src, d->sport}, dst = {d->dst, d->dport};
    bool ports = d->sport || d->dport;
    note_number(&n, "frame", f->number);
    if (n.event) {
        double at =
            f->time >= s->began ? (double)(f->time - s->began) : -(double)(s->began - f->time);
        (void)json_object_set_new(n.event, "time", json_real(at / 1e9));
    }
    note_set(&n, "from", "%s", ports ? endpoint_show(&src, a) : ip_show(&d->src, a));
    note_set(&n, "to", "%s", ports ? endpoint_show(&dst, b) : ip_show(&d->dst, b));
    return n;
}

void see_emit(struct see *s, struct note *n)
{
    if (n->event) s->o.sink(s->o.ctx, n->event);
    *n = (struct note){0};
}

static void take(struct see *s, const struct dug *d, const struct frame *f)
{
    switch (d->kind) {
    case DUG_IKE:
        s->ike++;
        hear(s, d, f);
        break;
    case DUG_ESP:
    case DUG_AH:
        s->esp += d->kind == DUG_ESP;
        s->ah += d->kind == DUG_AH;
        flow_hear(s, d, f);
        break;
    case DUG_KEEPALIVE:
        s->keepalives++;
        break;
    case DUG_ICMP_TOO_BIG:
    case DUG_ICMP_REFUSED:
        hear_icmp(s, d, f);
        break;
    default:
        break;
    }
}

struct whole { // a message out of a stream
    struct see *see;
    const struct frame *frame;
};

static void on_message(void *ctx, const struct dug *d)
{
    const struct whole *w = ctx;
    take(w->see, d, w->frame);
}

static void take_tcp(struct see *s, const struct dug *d, const struct frame *f)
{
    struct note n = note_of(s, "tcp", d, f);
    struct whole w = {s, f};
    stream_feed(&s->streams, d, f->number, &n, on_message, &w);
    if (json_array_size(n.faults)) return see_emit(s, &n);
    json_decref(n.event);
}

void see_frame(struct see *s, const struct frame *f)
{
    struct dug d;
    if (s->frames++ == 0) s->began = f->time;
    dig_frame(&s->dig, f, &d);
    if (d.kind == DUG_TCP) return take_tcp(s, &d, f);
    take(s, &d, f);
}

// IP datagrams of which pieces are missing: a firewall that drops fragments looks like this.
static void missing_pieces(const struct see *s, struct note *n)
{
    const struct pending *p;
    char src[IP_TEXT_MAX], dst[IP_TEXT_MAX];
    for (unsigned at = 0; dig_unfinished(&s->dig, &at, &p);) {
        note_fault(
            n, G_ERROR, "RFC 791 3.2",
            "something on the way drops IP fragments; switch on fragmentation = yes (RFC 7383)",
            "a datagram from %s to %s came in pieces from frame %llu on, and %u bytes of it "
            "are all that is there",
            ip_show(&p->src, src), ip_show(&p->dst, dst), (unsigned long long)p->first_frame,
            p->have);
    }
}

json_t *see_summary(struct see *s)
{
    struct note n = note_new("summary");
    if (!n.event) return NULL;
    json_t *talks = json_array(), *flows = json_array();
    for (unsigned i = 0; i < s->talks; i++)
        (void)json_array_append_new(talks, talk_summary(s->talk[i]));
    for (unsigned i = 0; i < s->flows; i++)
        (void)json_array_append_new(flows, flow_summary(s->flow[i]));
    missing_pieces(s, &n);
    note_number(&n, "frames", s->frames);
    note_number(&n, "ike_messages", s->ike);
    note_number(&n, "esp_packets", s->esp);
    note_number(&n, "ah_packets", s->ah);
    note_number(&n, "nat_keepalives", s->keepalives);
    note_number(&n, "not_remembered", s->forgotten);
    (void)json_object_set_new(n.event, "ike_sas", talks);
    (void)json_object_set_new(n.event, "flows", flows);
    (void)json_object_del(n.event, "payloads");
    return n.event;
}
