// hear.c - an IKE message of a capture: whose it is, whether it is new, what is inside.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "see/talk.h"

#define MAJOR(version) ((version) >> 4)

static enum side other(enum side side)
{
    return side == INITIATOR ? RESPONDER : INITIATOR;
}

static const char *side_word(enum side side)
{
    return side == INITIATOR ? "initiator" : "responder";
}

static const char *name_of(uint8_t exchange)
{
    return exchange == X_FOLLOWUP ? "IKE_FOLLOWUP_KE" : exchange_name(exchange);
}

// ---- IKE SAs ----

void hear_done(struct talk *t, struct see *s)
{
    for (unsigned side = 0; side < 2; side++) {
        blob_done(&t->first[side]);
        blob_done(&t->nonce[side]);
        blob_done(&t->id[side]);
        blob_done(&t->cert[side]);
        free(t->asked[side].offer);
        free(t->asked[side].tsi);
        free(t->asked[side].tsr);
        reassembly_done(&t->pieces[side][0], &s->held);
        reassembly_done(&t->pieces[side][1], &s->held);
    }
    free(t);
}

static struct talk *talk_new(struct see *s, const struct ike_header *h, uint64_t frame)
{
    struct talk *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    if (s->talks == TALKS_MAX) {
        hear_done(s->talk[0], s);
        memmove(s->talk, s->talk + 1, (TALKS_MAX - 1) * sizeof(struct talk *));
        s->talks--;
        s->forgotten++;
    }
    t->spi_i = h->spi_i;
    t->spi_r = h->spi_r;
    t->began = frame;
    t->from_start = h->exchange == X_SA_INIT && !(h->flags & IKE_FLAG_RESPONSE);
    s->talk[s->talks++] = t;
    return t;
}

static struct talk *talk_find(struct see *s, const struct ike_header *h, uint64_t frame)
{
    for (unsigned i = s->talks; i-- > 0;) {
        struct talk *t = s->talk[i];
        if (t->spi_i != h->spi_i) continue;
        if (t->spi_r == h->spi_r || t->spi_r == 0 || h->spi_r == 0) return t;
    }
    return talk_new(s, h, frame);
}

// ---- requests and answers ----

static unsigned piece_of(const struct msg *m)
{
    const struct payload *p = msg_nth(m, PAYLOAD_SKF, 0);
    if (!p || p->body.len < 4) return 0;
    unsigned number = (unsigned)(p->body.at[0] << 8 | p->body.at[1]);
    return number && number <= PIECES_MAX ? number - 1 : 0;
}

// How many pieces the message was cut into; 0: none.
static uint16_t pieces_of(const struct msg *m)
{
    const struct payload *p = msg_nth(m, PAYLOAD_SKF, 0);
    unsigned total = p && p->body.len >= 4 ? (unsigned)(p->body.at[2] << 8 | p->body.at[3]) : 0;
    return (uint16_t)(total <= PIECES_MAX ? total : 0);
}

// rfc7383 2.6: a message of which a piece never comes is worth nothing.
static void pieces_missing(const struct spoken *p, enum side side, struct note *n)
{
    unsigned there = 0;
    for (unsigned i = 0; i < p->pieces; i++) there += p->hash[i] != 0;
    if (there == p->pieces) return;
    note_fault(n, G_ERROR, "RFC 7383 2.6", "does something on the way drop datagrams of that size?",
               "%s %u of the %s (frame %" PRIu64
               ") never became whole: %u of %u IKE fragments are there",
               name_of(p->exchange), p->id, side_word(side), p->frame, there, p->pieces);
}

static void spoken_begin(struct spoken *p, const struct hearing *h)
{
    *p = (struct spoken){.any = true,
                         .exchange = h->m->h.exchange,
                         .id = h->m->h.id,
                         .frame = h->frame->number,
                         .pieces = pieces_of(h->m),
                         .time = h->frame->time};
}

// The same message ID again: a repetition (true), a piece that is new, or a fault.
static bool spoken_again(struct hearing *h, struct spoken *p, unsigned piece, uint64_t hash)
{
    p->last_time = h->frame->time;
    if (p->hash[piece] == hash) {
        if (piece == 0) p->repeats++;
        note_fault(&h->note, G_NOTE, "RFC 7296 2.1", NULL, "sent again, as in frame %" PRIu64,
                   p->frame);
        return true;
    }
    bool fresh = p->hash[piece] == 0;
    if (!fresh && h->m->h.exchange == X_SA_INIT) {
        spoken_begin(p, h); // with a cookie, or another key exchange
    } else if (!fresh) {
        note_fault(&h->note, G_ERROR, "RFC 7296 2.1", NULL,
                   "other bytes than in frame %" PRIu64
                   ", which has the same message ID: a message that is sent again must not change",
                   p->frame);
    }
    p->hash[piece] = hash;
    return false;
}

static void answer_seen(struct hearing *h)
{
    struct spoken *q = &h->talk->request[other(h->side)];
    bool known = q->any && q->id == h->m->h.id && q->exchange == h->m->h.exchange;
    if (known) q->answered = true;
    if (!known && !(h->talk->response[h->side].any)) {
        note_fault(&h->note, G_NOTE, "RFC 7296 2.1", NULL,
                   "the request that this answers is not in the capture");
    }
}

// Takes note of the message; true: it is one that was there already.
static bool repeated(struct hearing *h)
{
    static const uint8_t key[16] = "not a secret: it"; // only equal bytes need to be found
    struct spoken *p = h->response ? &h->talk->response[h->side] : &h->talk->request[h->side];
    const struct ike_header *head = &h->m->h;
    uint64_t hash = siphash(key, h->dug->body.at, h->dug->body.len) | 1;
    unsigned piece = piece_of(h->m);
    if (h->response) answer_seen(h);
    if (p->any && p->id == head->id && p->exchange == head->exchange)
        return spoken_again(h, p, piece, hash);
    if (p->any && head->id < p->id) {
        note_fault(&h->note, G_NOTE, "RFC 7296 2.3", NULL,
                   "late: message %u of this side has been seen already", p->id);
        return false;
    }
    if (p->any && !h->response && head->id > p->id + 1) {
        note_fault(&h->note, G_NOTE, "RFC 7296 2.3", NULL,
                   "requests %u to %u of this side are not in the capture", p->id + 1,
                   head->id - 1);
    }
    if (p->any) pieces_missing(p, h->side, &h->note);
    spoken_begin(p, h);
    p->hash[piece] = hash;
    return false;
}

// ---- inside SK ----

// A piece that has been decrypted; true: the message is whole by it.
static bool piece_add(struct hearing *h, const struct fragment *f)
{
    struct see *s = h->see;
    struct reassembly *r = &h->talk->pieces[h->side][h->response];
    uint8_t first;
    note_set(&h->note, "protection", "decrypted");
    (void)note_payload(&h->note, "SKF", "piece %u of %u, %zu bytes", f->number, f->total,
                       f->content.len);
    if (reassembly_add(r, &s->held, h->m->h.id, f) != ERR_OK) return false;
    span_t whole = reassembly_take(r, &s->held, s->whole, &first);
    err_t err = msg_inside(h->m, first, whole);
    if (err == ERR_OK) return true;
    note_fault(&h->note, G_ERROR, "RFC 7296 3.2", NULL,
               "the pieces are all there, but what they hold is malformed: %s", err_text(err));
    return false;
}

// ERR_AUTH: the ICV is wrong. Else the message was authentic, and its payloads may be open.
static err_t open_with(struct hearing *h, struct sealer *sealer)
{
    struct see *s = h->see;
    struct fragment f;
    memcpy(s->wire, h->dug->body.at, h->m->wire.len); // an attempt leaves garbage
    if (msg_nth(h->m, PAYLOAD_SKF, 0)) {
        err_t err = msg_open_fragment(h->m, s->wire, sealer, &f);
        if (err == ERR_OK) h->opened = piece_add(h, &f);
        return err;
    }
    err_t err = msg_open(h->m, s->wire, sealer);
    if (err == ERR_AUTH) return err;
    note_set(&h->note, "protection", "decrypted");
    h->opened = err == ERR_OK;
    if (err != ERR_OK) {
        note_fault(&h->note, G_ERROR, "RFC 7296 3.2", NULL,
                   "authentic, but the payloads inside SK are malformed: %s", err_text(err));
    }
    return ERR_OK;
}

static void open_sealed(struct hearing *h)
{
    struct talk *t = h->talk;
    h->opened = !(h->m->have & (P(SK) | P(SKF)));
    note_set(&h->note, "protection", h->opened ? "clear" : "encrypted");
    if (h->opened || !h->see->o.keys) return;
    const struct key_ike *k = NULL;
    err_t err = ERR_NOTFOUND;
    while ((k = see_keys_ike(h->see->o.keys, t->spi_i, t->spi_r, k))) {
        t->keyed = true;
        err = open_with(h, k->of[h->side]);
        if (err == ERR_AUTH && k->alt[h->side]) err = open_with(h, k->alt[h->side]);
        if (err != ERR_AUTH) return;
    }
    if (err == ERR_NOTFOUND) return;
    note_set(&h->note, "protection", "icv-wrong");
    note_fault(&h->note, G_ERROR, "RFC 7296 3.14", "are these the keys of this IKE SA?",
               "the integrity check value is wrong: damaged, forged, or sealed with other keys");
}

// ---- one message ----

static void header_tell(struct hearing *h)
{
    const struct ike_header *head = &h->m->h;
    struct note *n = &h->note;
    note_set(n, "exchange", "%s", name_of(head->exchange));
    note_set(n, "role", "%s", h->response ? "response" : "request");
    note_set(n, "sender", "%s", side_word(h->side));
    note_number(n, "id", head->id);
    note_number(n, "length", head->length);
    note_set(n, "spi_i", "%016" PRIx64, head->spi_i);
    note_set(n, "spi_r", "%016" PRIx64, head->spi_r);
}

static void message_tell(struct hearing *h)
{
    if (repeated(h)) {
        note_set(&h->note, "repeats", "yes");
        return;
    }
    open_sealed(h);
    tell_payloads(h);
    judge(h);
    if (!h->opened) return;
    agree(h);
    prove(h);
}

// Reads it as far as it goes.
static void message_hear(struct hearing *h)
{
    struct see *s = h->see;
    span_t body = h->dug->body;
    span_t wire = span(s->wire, body.len);
    memcpy(s->wire, body.at, body.len);
    err_t err = msg_read(wire, h->m);
    if (err == ERR_TRAILING && h->m->h.length >= IKE_HEADER_LEN) {
        note_fault(&h->note, G_ERROR, "RFC 7296 3.1", NULL,
                   "the header says %u bytes, the datagram has %zu: the rest is ignored",
                   h->m->h.length, body.len);
        err = msg_read(span(s->wire, h->m->h.length), h->m);
    }
    h->talk = talk_find(s, &h->m->h, h->frame->number);
    if (!h->talk) return;
    header_tell(h);
    h->talk->at[h->side] = (endpoint_t){h->dug->src, h->dug->sport};
    if (err == ERR_OK) {
        message_tell(h);
    } else {
        tell_broken(h, wire, err);
    }
}

void hear(struct see *s, const struct dug *d, const struct frame *f)
{
    struct msg m = {0};
    struct hearing h = {.see = s, .dug = d, .frame = f, .m = &m, .note = note_of(s, "ike", d, f)};
    if (d->body.len > IKE_MSG_MAX || ike_header_read(d->body, &m.h) != ERR_OK) {
        note_fault(&h.note, d->cut ? G_NOTE : G_ERROR, "RFC 7296 3.1", NULL,
                   "%zu bytes on an IKE port: %s", d->body.len,
                   d->cut ? "the capture has cut off the rest" : "no IKE header");
    } else if (MAJOR(m.h.version) == 1) {
        tell_ike1(&h.note, d->body);
    } else if (MAJOR(m.h.version) != 2) {
        note_fault(&h.note, G_ERROR, "RFC 7296 2.5", NULL,
                   "version %u.%u of IKE: neither 1 nor 2, or no IKE at all", MAJOR(m.h.version),
                   m.h.version & 15U);
    } else {
        h.side = m.h.flags & IKE_FLAG_INITIATOR ? INITIATOR : RESPONDER;
        h.response = m.h.flags & IKE_FLAG_RESPONSE;
        message_hear(&h);
    }
    see_emit(s, &h.note);
}

// ICMP that quotes IKE or ESP of this capture: why an answer does not come.
void hear_icmp(struct see *s, const struct dug *d, const struct frame *f)
{
    struct dug quoted;
    struct frame inner = {.link = 101, .bytes = d->body, .wire_len = (uint32_t)d->body.len};
    char quoting[160];
    struct dig none = {0};
    dig_frame(&none, &inner, &quoted);
    dig_done(&none);
    if (quoted.kind == DUG_NOTHING || quoted.kind == DUG_TCP) return;
    struct note n = note_of(s, "icmp", d, f);
    (void)dig_summary(d->body, quoting);
    if (d->kind == DUG_ICMP_TOO_BIG) {
        note_fault(&n, G_WARNING, "RFC 1191 4", "the tunnel's inner MTU has to become smaller",
                   "too big for the path, which takes %u bytes: %s", d->mtu, quoting);
    } else {
        note_fault(&n, G_ERROR, "RFC 792",
                   "does the daemon run there, and does a firewall let UDP 500 and 4500 pass?",
                   "the destination cannot be reached (code %u): %s", d->code, quoting);
    }
    see_emit(s, &n);
}

// ---- what became of it ----

static void unanswered(const struct talk *t, enum side side, struct note *n)
{
    const struct spoken *q = &t->request[side];
    char to[ENDPOINT_TEXT_MAX];
    if (!q->any || q->answered) return;
    bool init = q->exchange == X_SA_INIT;
    char often[64] = "once";
    uint64_t over = q->last_time > q->time ? (q->last_time - q->time) / 1000000000U : 0;
    if (q->repeats)
        (void)snprintf(often, sizeof often, "%u times over %" PRIu64 " s", q->repeats + 1, over);
    const char *hint =
        init ? "is UDP 500 let through on the way, and does the other side listen?"
        : t->nat[0] || t->nat[1]
            ? "is UDP 4500 let through on the way? Behind a NAT all goes there"
            : "does a firewall drop fragments or UDP 4500? The first exchange got through";
    (void)endpoint_show(&t->at[other(side)], to);
    bool known = t->at[other(side)].ip.family != AF_UNSPEC;
    note_fault(n, q->repeats ? G_ERROR : G_WARNING, "RFC 7296 2.4", hint,
               "%s %u of the %s (frame %" PRIu64 ") was sent %s and never answered%s%s",
               name_of(q->exchange), q->id, side_word(side), q->frame, often, known ? " by " : "",
               known ? to : "");
}

static void outcome(const struct talk *t, struct note *n)
{
    bool answered = t->response[RESPONDER].any && t->response[RESPONDER].exchange != X_SA_INIT;
    const char *text = t->authenticated ? "established"
                       : answered && !t->keyed
                           ? "IKE_AUTH was answered; what it says needs keys to be read"
                       : t->from_start ? "not established, as far as this can be seen"
                                       : "its beginning is not in the capture";
    if (t->deleted) text = "deleted";
    if (*t->refused && !t->authenticated) {
        note_set(n, "outcome", "refused: %s", t->refused);
    } else if (t->request[INITIATOR].any && !t->request[INITIATOR].answered &&
               t->request[INITIATOR].exchange == X_SA_INIT) {
        note_set(n, "outcome", "never answered");
    } else {
        note_set(n, "outcome", "%s", text);
    }
}

json_t *talk_summary(const struct talk *t)
{
    struct note n = note_new("ike_sa");
    char text[256];
    if (!n.event) return NULL;
    note_set(&n, "spi_i", "%016" PRIx64, t->spi_i);
    note_set(&n, "spi_r", "%016" PRIx64, t->spi_r);
    note_set(&n, "initiator", "%s", endpoint_show(&t->at[INITIATOR], text));
    note_set(&n, "responder", "%s", endpoint_show(&t->at[RESPONDER], text));
    note_set(&n, "initiator_id", "%s", t->name[INITIATOR]);
    note_set(&n, "responder_id", "%s", t->name[RESPONDER]);
    note_number(&n, "frame", t->began);
    if (t->chosen_known) note_set(&n, "proposal", "%s", proposal_show(&t->chosen, text));
    note_set(&n, "nat", "%s",
             t->nat[0] && t->nat[1] ? "both"
             : t->nat[INITIATOR]    ? "initiator"
             : t->nat[RESPONDER]    ? "responder"
                                    : "none");
    note_set(&n, "keys", "%s", t->keyed ? "yes" : "no");
    outcome(t, &n);
    unanswered(t, INITIATOR, &n);
    unanswered(t, RESPONDER, &n);
    for (enum side side = INITIATOR; side <= RESPONDER; side++) {
        pieces_missing(&t->request[side], side, &n);
        pieces_missing(&t->response[side], side, &n);
    }
    (void)json_object_del(n.event, "payloads");
    return n.event;
}
