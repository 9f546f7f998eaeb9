// flow.c - ESP and AH packets of one SA: sequence numbers, what is inside where keys allow, ICVs.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "see/talk.h"

#define ESP_HEAD 8
#define WINDOW 1024U   // numbers behind the newest of which repetitions are noticed
#define FAULTS_MAX 16U // events about one SA; the rest is counted

struct flow {
    ip_t src, dst;
    uint32_t spi;
    bool ah, udp, tcp;
    uint64_t packets, bytes, first_frame, last_frame, begun, last;
    uint32_t seq_first, seq_last;
    uint64_t missing, doubled, late;
    uint64_t opened, forged;
    uint64_t window[WINDOW / 64];
    unsigned told;
    const struct key_esp *key;
    char carries[160];
};

static struct flow *flow_find(struct see *s, const struct dug *d, uint32_t spi, bool *fresh)
{
    for (unsigned i = s->flows; i-- > 0;) {
        struct flow *x = s->flow[i];
        if (x->spi == spi && x->ah == (d->kind == DUG_AH) && ip_eq(&x->src, &d->src) &&
            ip_eq(&x->dst, &d->dst))
            return x;
    }
    struct flow *x = s->flows < FLOWS_MAX ? calloc(1, sizeof *x) : NULL;
    if (!x) {
        s->forgotten++;
        return NULL;
    }
    *x = (struct flow){.src = d->src,
                       .dst = d->dst,
                       .spi = spi,
                       .ah = d->kind == DUG_AH,
                       .tcp = d->tcp,
                       .udp = !d->tcp && (d->sport || d->dport)};
    if (s->o.keys && !x->ah) x->key = see_keys_esp(s->o.keys, &d->src, &d->dst, spi);
    s->flow[s->flows++] = x;
    *fresh = true;
    return x;
}

// ---- sequence numbers ----

static bool window_take(struct flow *x, uint32_t seq)
{
    uint64_t bit = 1ULL << seq % 64, *word = &x->window[seq % WINDOW / 64];
    bool seen = *word & bit;
    *word |= bit;
    return seen;
}

static void number_new(struct flow *x, uint32_t seq)
{
    uint32_t ahead = seq - x->seq_last;
    if (ahead > 1) x->missing += ahead - 1;
    if (ahead >= WINDOW) memset(x->window, 0, sizeof x->window);
    for (uint32_t i = 1; i < ahead && ahead < WINDOW; i++)
        x->window[(x->seq_last + i) % WINDOW / 64] &= ~(1ULL << (x->seq_last + i) % 64);
    x->window[seq % WINDOW / 64] &= ~(1ULL << seq % 64);
    (void)window_take(x, seq);
    x->seq_last = seq;
}

static void judge_number(struct flow *x, uint32_t seq, struct note *n)
{
    if (x->packets == 0) {
        x->seq_first = x->seq_last = seq;
        (void)window_take(x, seq);
        if (seq == 0)
            note_fault(n, G_ERROR, "RFC 4303 3.3.3", NULL, "sequence number 0: the first one is 1");
        return;
    }
    if ((int32_t)(seq - x->seq_last) > 0) return number_new(x, seq);
    bool doubled = x->seq_last - seq < WINDOW && window_take(x, seq);
    if (doubled) {
        x->doubled++;
        note_fault(n, G_WARNING, "RFC 4303 3.4.3", NULL,
                   "sequence number %u a second time: replayed, or captured at two places", seq);
    } else {
        x->late++;
        if (x->missing) x->missing--;
    }
}

// ---- inside ----

static bool open_with(struct see *s, struct sealer *sealer, const struct dug *d, bool esn,
                      span_t *text)
{
    size_t iv = sealer_iv_len(sealer), icv = sealer_icv_len(sealer);
    size_t len = d->body.len, head = ESP_HEAD + iv;
    if (len > sizeof s->wire || len < head + icv + 2) return false;
    size_t n = len - head - icv;
    if (n % sealer_block(sealer)) return false;
    memcpy(s->wire, d->body.at, len);
    struct seal_job job = {
        .head = s->wire, .head_len = ESP_HEAD, .text_len = (uint32_t)n, .esn = esn};
    sealer_open(sealer, &job, 1);
    *text = span(s->wire + head, n);
    return !job.bad;
}

// The extended numbers are tried, too: their upper half is zero in a young SA.
static bool open_any(struct see *s, const struct key_esp *k, const struct dug *d, span_t *text)
{
    if (open_with(s, k->sealer, d, false, text) || open_with(s, k->sealer, d, true, text))
        return true;
    return k->alt && open_with(s, k->alt, d, false, text);
}

static void look_inside(struct flow *x, span_t text, struct note *n)
{
    uint8_t next = text.at[text.len - 1];
    size_t tail = (size_t)text.at[text.len - 2] + 2;
    x->opened++;
    if (tail > text.len) {
        note_fault(n, G_ERROR, "RFC 4303 2.4", NULL, "the padding is longer than the packet");
        return;
    }
    if (x->carries[0]) return;
    if (next == 4 || next == 41) {
        (void)dig_summary(span(text.at, text.len - tail), x->carries);
    } else {
        (void)snprintf(x->carries, sizeof x->carries, "%s, protocol %u",
                       next == 59 ? "dummy packets" : "transport mode or BEET", next);
    }
    note_set(n, "carries", "%s", x->carries);
}

static void judge_inside(struct see *s, struct flow *x, const struct dug *d, struct note *n)
{
    span_t text;
    bool look = s->o.verify || x->packets == 0;
    if (!x->key || d->cut || !look) return;
    if (open_any(s, x->key, d, &text)) return look_inside(x, text, n);
    x->forged++;
    note_fault(n, G_ERROR, "RFC 4303 3.4.4.1", "are these the keys of this SA?",
               "the ICV is wrong: damaged, forged, or sealed with other keys");
}

// ---- a packet ----

static void judge_shape(const struct dug *d, uint32_t spi, struct note *n)
{
    if (spi > 0 && spi < 256) {
        note_fault(n, G_WARNING, "RFC 4303 2.1", NULL, "SPI %u: those below 256 are reserved", spi);
    }
    if (d->kind == DUG_ESP && d->body.len % 4 && !d->cut) {
        note_fault(n, G_WARNING, "RFC 4303 2.4", NULL,
                   "%zu bytes: what is encrypted has to end on a multiple of 4", d->body.len);
    }
    if (d->kind == DUG_AH && d->body.len >= 12) {
        size_t len = (d->body.at[1] + 2U) * 4U;
        if (len < 12 || len > d->body.len)
            note_fault(n, G_ERROR, "RFC 4302 2.2", NULL, "an AH of %zu bytes, and %zu are there",
                       len, d->body.len);
    }
}

void flow_hear(struct see *s, const struct dug *d, const struct frame *f)
{
    size_t at = d->kind == DUG_AH ? 4 : 0;
    struct note n = note_of(s, d->kind == DUG_AH ? "ah" : "esp", d, f);
    bool fresh = false;
    if (d->body.len < at + ESP_HEAD) {
        note_fault(&n, d->cut ? G_NOTE : G_ERROR, d->kind == DUG_AH ? "RFC 4302 2" : "RFC 4303 2",
                   NULL, "%zu bytes: too short for SPI and sequence number", d->body.len);
        return see_emit(s, &n);
    }
    uint32_t spi = get32(d->body.at + at), seq = get32(d->body.at + at + 4);
    struct flow *x = flow_find(s, d, spi, &fresh);
    note_set(&n, "spi", "0x%08x", spi);
    note_number(&n, "seq", seq);
    judge_shape(d, spi, &n);
    if (x) {
        judge_number(x, seq, &n);
        judge_inside(s, x, d, &n);
        if (x->packets++ == 0) {
            x->begun = f->time;
            x->first_frame = f->number;
        }
        x->bytes += d->body.len;
        x->last_frame = f->number;
        x->last = f->time;
    }
    bool worth = fresh || (json_array_size(n.faults) && x && x->told++ < FAULTS_MAX);
    if (worth) return see_emit(s, &n);
    json_decref(n.event);
}

json_t *flow_summary(const struct flow *x)
{
    struct note n = note_new(x->ah ? "ah" : "esp");
    char a[IP_TEXT_MAX], b[IP_TEXT_MAX];
    if (!n.event) return NULL;
    note_set(&n, "from", "%s", ip_show(&x->src, a));
    note_set(&n, "to", "%s", ip_show(&x->dst, b));
    note_set(&n, "spi", "0x%08x", x->spi);
    note_set(&n, "encapsulation", "%s", x->tcp ? "tcp" : x->udp ? "udp" : "none");
    note_number(&n, "packets", x->packets);
    note_number(&n, "bytes", x->bytes);
    note_number(&n, "first_frame", x->first_frame);
    note_number(&n, "last_frame", x->last_frame);
    note_number(&n, "seq_first", x->seq_first);
    note_number(&n, "seq_last", x->seq_last);
    note_number(&n, "missing", x->missing);
    note_number(&n, "doubled", x->doubled);
    note_number(&n, "late", x->late);
    note_number(&n, "opened", x->opened);
    note_number(&n, "icv_wrong", x->forged);
    note_set(&n, "keys", "%s", x->key ? "yes" : "no");
    if (x->carries[0]) note_set(&n, "carries", "%s", x->carries);
    (void)json_object_del(n.event, "payloads");
    return n.event;
}
