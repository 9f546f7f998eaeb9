#include "ike/codec/payloads.h"

#define AUTHP_RESERVED 3 // bytes after the method

err_t authp_read(span_t body, struct authp *out)
{
    rd_t r = rd_from(body);
    struct authp a = {.method = rd_u8(&r)};
    (void)rd_bytes(&r, AUTHP_RESERVED); // rfc7296 2.5 MUST: RESERVED is ignored on receipt
    a.data = rd_rest(&r);
    TRY(rd_done(&r));
    if (a.data.len == 0) return ERR_SYNTAX;
    *out = a;
    return ERR_OK;
}

void authp_write(wr_t *w, const struct authp *a)
{
    wr_u8(w, a->method);
    wr_zero(w, AUTHP_RESERVED); // rfc7296 2.5 MUST: RESERVED is sent as zero
    wr_bytes(w, a->data);
}

err_t authp_signature_read(span_t data, struct authp_signature *out)
{
    rd_t r = rd_from(data);
    struct authp_signature s = {.algorithm = rd_bytes(&r, rd_u8(&r))};
    s.value = rd_rest(&r);
    TRY(rd_done(&r));
    if (s.algorithm.len == 0 || s.value.len == 0) return ERR_SYNTAX;
    *out = s;
    return ERR_OK;
}

void authp_signature_write(wr_t *w, const struct authp_signature *s)
{
    if (s->algorithm.len > UINT8_MAX) w->bad = true;
    wr_u8(w, (uint8_t)s->algorithm.len);
    wr_bytes(w, s->algorithm);
    wr_bytes(w, s->value);
}
