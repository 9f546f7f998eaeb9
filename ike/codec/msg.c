#include "ike/codec/msg.h"

#include <stdio.h>

#define GENERIC_LEN 4 // bytes of the header that every payload has (RFC 7296 3.2)
#define CRITICAL 0x80

#define KNOWN                                                                                    \
    (P(SA) | P(KE) | P(IDi) | P(IDr) | P(CERT) | P(CERTREQ) | P(AUTH) | P(Nonce) | P(N) | P(D) | \
     P(V) | P(TSi) | P(TSr) | P(SK) | P(CP) | P(EAP) | P(SKF))
#define ENCRYPTED (P(SK) | P(SKF))

const char *exchange_name(uint8_t x)
{
    switch (x) {
    case X_SA_INIT:
        return "IKE_SA_INIT";
    case X_AUTH:
        return "IKE_AUTH";
    case X_CHILD:
        return "CREATE_CHILD_SA";
    case X_INTERMEDIATE:
        return "IKE_INTERMEDIATE";
    case X_FOLLOWUP:
        return "IKE_FOLLOWUP_KE";
    case X_INFO:
        return "INFORMATIONAL";
    default:
        return "unknown exchange";
    }
}

err_t ike_header_read(span_t wire, struct ike_header *out)
{
    rd_t r = rd_from(wire);
    struct ike_header h = {.spi_i = rd_u64(&r)};
    h.spi_r = rd_u64(&r);
    h.next = rd_u8(&r);
    h.version = rd_u8(&r);
    h.exchange = rd_u8(&r);
    h.flags = rd_u8(&r);
    h.id = rd_u32(&r);
    h.length = rd_u32(&r);
    if (r.bad) return ERR_SHORT;
    *out = h;
    return ERR_OK;
}

// The set with only this type in it; empty for a type that this version does not define.
static uint64_t type_set(uint8_t type)
{
    return type < 64 ? 1ULL << type & KNOWN : 0;
}

static void payload_keep(struct msg *m, const struct payload *p)
{
    uint64_t set = type_set(p->type);
    if (set) {
        m->payload[m->n++] = *p;
        m->have |= set;
        return;
    }
    // rfc7296 2.5 MUST: a payload of unknown type is skipped, or refused if it says critical
    if (p->critical && m->unknown_critical == 0) m->unknown_critical = p->type;
}

// Takes a chain of payloads apart that starts with type `next` and fills `chain` exactly.
static err_t chain_read(struct msg *m, span_t chain, uint8_t next, bool inside_sk)
{
    rd_t r = rd_from(chain);
    unsigned seen = m->n; // skipped ones count, too: each costs a step
    while (next != PAYLOAD_NONE) {
        struct payload p = {.type = next};
        next = rd_u8(&r);
        // rfc7296 2.5 MUST: the RESERVED bits beside C are ignored on receipt
        p.critical = rd_u8(&r) & CRITICAL;
        uint16_t len = rd_u16(&r);
        if (len < GENERIC_LEN) return ERR_SYNTAX;
        p.body = rd_bytes(&r, len - GENERIC_LEN);
        if (r.bad) return ERR_SYNTAX;
        if (++seen > MSG_PAYLOADS_MAX) return ERR_LIMIT;
        bool encrypted = type_set(p.type) & ENCRYPTED;
        if (encrypted && inside_sk) return ERR_SYNTAX;
        payload_keep(m, &p);
        if (!encrypted) continue;
        // rfc7296 3.14 MUST: SK is the last payload; its Next Payload names the first one inside
        m->sk_first = next;
        m->sk_bits = p.body.at[-3];
        next = PAYLOAD_NONE;
    }
    return rd_done(&r) == ERR_OK ? ERR_OK : ERR_SYNTAX;
}

err_t msg_read(span_t wire, struct msg *out)
{
    struct ike_header h;
    TRY(ike_header_read(wire, &h));
    if (h.length > wire.len) return ERR_SHORT;
    if (h.length < wire.len) return ERR_TRAILING;
    *out = (struct msg){.h = h, .wire = wire};
    return chain_read(out, span(wire.at + IKE_HEADER_LEN, wire.len - IKE_HEADER_LEN), h.next,
                      false);
}

const struct payload *msg_nth(const struct msg *m, enum payload_type type, unsigned nth)
{
    for (unsigned i = 0; i < m->n; i++) {
        if (m->payload[i].type == type && nth-- == 0) return &m->payload[i];
    }
    return NULL;
}

span_t msg_body(const struct msg *m, enum payload_type type)
{
    const struct payload *p = msg_nth(m, type, 0);
    return p ? p->body : span(NULL, 0);
}

// Verifies and decrypts in place. *text is what the payloads, padding and pad length fill.
static err_t sk_decrypt(span_t sk, uint8_t *wire, size_t head, struct sealer *s, span_t *text)
{
    size_t iv = sealer_iv_len(s), icv = sealer_icv_len(s);
    // Nothing here is authenticated yet: every fault is one to be silent about.
    if (sk.len < iv + 1 + icv) return ERR_AUTH;
    size_t len = sk.len - iv - icv;
    if (len % sealer_block(s) != 0) return ERR_AUTH;
    // rfc5282 5.1 MUST: authenticated from the first octet of the IKE header through the generic
    // header of SK, payloads between them included (rfc7296 3.14 for a separate MAC: the IV, too)
    struct seal_job job = {.head = wire, .head_len = (uint32_t)head, .text_len = (uint32_t)len};
    sealer_open(s, &job, 1);
    if (job.bad) return ERR_AUTH;
    *text = span(wire + head + iv, len);
    return ERR_OK;
}

// Takes the padding off.
static err_t sk_trim(span_t *text)
{
    // rfc7296 3.14 MUST: any pad length that fits is accepted, whatever the padding holds
    size_t tail = (size_t)text->at[text->len - 1] + 1;
    if (tail > text->len) return ERR_SYNTAX;
    text->len -= tail;
    return ERR_OK;
}

err_t msg_open_fragment(const struct msg *m, uint8_t *wire, struct sealer *sealer,
                        struct fragment *out)
{
    const struct payload *skf = msg_nth(m, PAYLOAD_SKF, 0);
    if (!skf) return ERR_NOTFOUND;
    rd_t r = rd_from(skf->body);
    struct fragment f = {.number = rd_u16(&r), .total = rd_u16(&r), .first = m->sk_first};
    span_t sealed = rd_rest(&r);
    if (r.bad) return ERR_AUTH;
    // rfc7383 2.5 MUST: what is authenticated reaches through the numbers
    TRY(sk_decrypt(sealed, wire, (size_t)(sealed.at - m->wire.at), sealer, &f.content));
    TRY(sk_trim(&f.content));
    if (f.number == 0 || f.number > f.total) return ERR_SYNTAX;
    *out = f;
    return ERR_OK;
}

err_t msg_inside(struct msg *m, uint8_t first, span_t content)
{
    *m = (struct msg){.h = m->h, .sk_first = first, .sk_bits = m->sk_bits, .inside = content};
    return chain_read(m, content, first, true);
}

err_t msg_open(struct msg *m, uint8_t *wire, struct sealer *sealer)
{
    const struct payload *sk = msg_nth(m, PAYLOAD_SK, 0);
    if (!sk) return ERR_NOTFOUND;
    span_t text;
    TRY(sk_decrypt(sk->body, wire, (size_t)(sk->body.at - m->wire.at), sealer, &text));
    TRY(sk_trim(&text));
    struct msg opened = *m; // so that a malformed inside leaves *m as it was
    TRY(chain_read(&opened, text, m->sk_first, true));
    opened.inside = text;
    *m = opened;
    return ERR_OK;
}

void msg_clear(const struct msg *m, struct clear *out)
{
    const struct ike_header *h = &m->h;
    wr_t w = wr_into(out->head, sizeof out->head);
    wr_u64(&w, h->spi_i);
    wr_u64(&w, h->spi_r);
    wr_u8(&w, PAYLOAD_SK);
    wr_u8(&w, h->version);
    wr_u8(&w, h->exchange);
    wr_u8(&w, h->flags);
    wr_u32(&w, h->id);
    wr_u32(&w, (uint32_t)(sizeof out->head + m->inside.len));
    wr_u8(&w, m->sk_first);
    wr_u8(&w, m->sk_bits);
    wr_u16(&w, (uint16_t)(GENERIC_LEN + m->inside.len));
    out->inside = m->inside;
}
