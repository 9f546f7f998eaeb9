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
                           .head_len = (uint32_t)(m->sk + GENERIC_LEN - start),
                           .text_len = (uint32_t)(m->w.at - text) - sealer_icv_len(m->sealer)};
    sealer_seal(m->sealer, &job, 1);
    return job.bad ? ERR_CRYPTO : ERR_OK;
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
