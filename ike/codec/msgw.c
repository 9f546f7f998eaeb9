#include <string.h>

#include "base/order.h"
#include "ike/codec/msg.h"

#define GENERIC_LEN 4 // bytes of the header that every payload has (RFC 7296 3.2)
#define NEXT_AT 16    // where the IKE header has its Next Payload
#define LENGTH_AT 24  // ... and the message length

void msgw_start(struct msgw *m, uint8_t *buf, size_t cap, const struct ike_header *h)
{
    *m = (struct msgw){.w = wr_into(buf, cap)};
    wr_u64(&m->w, h->spi_i);
    wr_u64(&m->w, h->spi_r);
    wr_u8(&m->w, PAYLOAD_NONE);
    wr_u8(&m->w, h->version);
    wr_u8(&m->w, h->exchange);
    wr_u8(&m->w, h->flags);
    wr_u32(&m->w, h->id);
    wr_u32(&m->w, 0);
    if (!m->w.bad) m->next = buf + NEXT_AT;
}

// A generic header at the cursor, linked to what stands before it; NULL after an overrun.
static uint8_t *generic_begin(struct msgw *m, uint8_t type)
{
    uint8_t *p = wr_reserve(&m->w, GENERIC_LEN);
    if (!p) return NULL;
    memset(p, 0, GENERIC_LEN);
    *m->next = type;
    m->next = p;
    return p;
}

wr_t *msgw_begin(struct msgw *m, enum payload_type type)
{
    uint8_t *p = generic_begin(m, (uint8_t)type);
    m->length = p ? p + 2 : NULL;
    return &m->w;
}

// Writes the length of the payload whose generic header is at p and that ends at the cursor.
static void generic_end(struct msgw *m, uint8_t *p)
{
    size_t len = (size_t)(m->w.at - p);
    if (len > UINT16_MAX) m->w.bad = true;
    if (!m->w.bad) put16(p + 2, (uint16_t)len);
}

void msgw_end(struct msgw *m)
{
    if (m->length) generic_end(m, m->length - 2);
    m->length = NULL;
}

void msgw_payload(struct msgw *m, enum payload_type type, span_t body)
{
    wr_bytes(msgw_begin(m, type), body);
    msgw_end(m);
}

void msgw_begin_sk(struct msgw *m, struct sealer *sealer, uint64_t unique)
{
    m->sk = generic_begin(m, PAYLOAD_SK);
    m->sk_iv = wr_reserve(&m->w, sealer_iv_len(sealer));
    m->sealer = sealer;
    if (m->sk_iv) sealer_iv(sealer, unique, m->sk_iv);
}

// Pads what stands behind the IV to the cipher's block and leaves room for the ICV.
static void sk_pad(struct msgw *m, const uint8_t *text)
{
    size_t block = sealer_block(m->sealer);
    size_t len = (size_t)(m->w.at - text) + 1;
    size_t pad = (block - len % block) % block;
    // rfc7296 3.14 SHOULD: no more padding than the block size asks for
    wr_zero(&m->w, pad);
    wr_u8(&m->w, (uint8_t)pad);
}

static err_t sk_seal(struct msgw *m, uint8_t *start)
{
    uint8_t *text = m->sk_iv + sealer_iv_len(m->sealer);
    struct seal_job job = {.head = start,
                           .head_len = (uint32_t)(m->sk_iv - start),
                           .text_len = (uint32_t)(m->w.at - text) - sealer_icv_len(m->sealer)};
    sealer_seal(m->sealer, &job, 1);
    return job.bad ? ERR_CRYPTO : ERR_OK;
}

void msgw_clear(const struct msgw *m, struct clear *out)
{
    *out = (struct clear){0};
    if (m->w.bad || !m->sk_iv) return;
    const uint8_t *text = m->sk_iv + sealer_iv_len(m->sealer);
    out->inside = span(text, (size_t)(m->w.at - text));
    memcpy(out->head, m->w.start, IKE_HEADER_LEN);
    out->head[IKE_HEADER_LEN] = m->sk[0];
    put32(out->head + LENGTH_AT, (uint32_t)(sizeof out->head + out->inside.len));
    put16(out->head + IKE_HEADER_LEN + 2, (uint16_t)(GENERIC_LEN + out->inside.len));
}

err_t msgw_finish(struct msgw *m, span_t *out)
{
    if (m->sealer && m->sk_iv) {
        sk_pad(m, m->sk_iv + sealer_iv_len(m->sealer));
        wr_zero(&m->w, sealer_icv_len(m->sealer));
        generic_end(m, m->sk);
    }
    TRY(wr_done(&m->w));
    if (wr_len(&m->w) > IKE_MSG_MAX) return ERR_SPACE;
    put32(m->w.start + LENGTH_AT, (uint32_t)wr_len(&m->w));
    if (m->sealer) TRY(sk_seal(m, m->w.start));
    *out = wr_span(&m->w);
    return ERR_OK;
}

// ---- in pieces ----

#define SKF_HEAD 8 // bytes of the SKF payload before its IV

// How many bytes of content a message of at most `max` bytes can carry; 0 = none.
static size_t piece_content(const struct msgw *m, size_t max)
{
    size_t block = sealer_block(m->sealer);
    size_t head = IKE_HEADER_LEN + SKF_HEAD + sealer_iv_len(m->sealer) + sealer_icv_len(m->sealer);
    size_t text = max > head ? (max - head) / block * block : 0;
    return text ? text - 1 : 0; // the pad length
}

static err_t piece_write(const struct msgw *whole, wr_t *to, const struct fragment *f,
                         uint64_t unique)
{
    struct msgw m = {.w = wr_into(to->at, (size_t)(to->end - to->at)), .sealer = whole->sealer};
    wr_bytes(&m.w, span(whole->w.start, IKE_HEADER_LEN));
    if (m.w.bad) return ERR_SPACE;
    m.w.start[NEXT_AT] = PAYLOAD_NONE;
    m.next = m.w.start + NEXT_AT;
    m.sk = generic_begin(&m, PAYLOAD_SKF);
    wr_u16(&m.w, f->number);
    wr_u16(&m.w, f->total);
    m.sk_iv = wr_reserve(&m.w, sealer_iv_len(m.sealer));
    wr_bytes(&m.w, f->content);
    if (m.w.bad) return ERR_SPACE;
    m.sk[0] = f->first;
    sealer_iv(m.sealer, unique, m.sk_iv);
    span_t out;
    TRY(msgw_finish(&m, &out));
    to->at += out.len;
    return ERR_OK;
}

err_t msgw_finish_fragments(struct msgw *m, const struct msgw_pieces *to, span_t *out)
{
    if (m->w.bad || !m->sk_iv) return ERR_SPACE;
    uint8_t *text = m->sk_iv + sealer_iv_len(m->sealer);
    size_t len = (size_t)(m->w.at - text), room = piece_content(m, to->max);
    // In one message there is room for four bytes more: the numbers.
    if (len <= piece_content(m, to->max + 4)) return msgw_finish(m, out);
    if (room == 0 || len / room >= UINT16_MAX) return ERR_SPACE;
    struct fragment f = {.total = (uint16_t)((len + room - 1) / room)};
    wr_t w = wr_into(to->buf, to->cap);
    for (size_t done = 0; done < len; done += f.content.len) {
        f.first = f.number++ ? PAYLOAD_NONE : m->sk[0];
        f.content = span(text + done, len - done < room ? len - done : room);
        TRY(piece_write(m, &w, &f, ++*to->unique));
    }
    *out = wr_span(&w);
    return ERR_OK;
}
