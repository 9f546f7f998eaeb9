#include "ike/codec/payloads.h"

err_t kex_read(span_t body, struct kex *out)
{
    rd_t r = rd_from(body);
    struct kex k = {.method = rd_u16(&r)};
    (void)rd_u16(&r); // rfc7296 2.5 MUST: RESERVED is ignored on receipt
    k.data = rd_rest(&r);
    TRY(rd_done(&r));
    if (k.data.len == 0) return ERR_SYNTAX;
    *out = k;
    return ERR_OK;
}

void kex_write(wr_t *w, const struct kex *k)
{
    wr_u16(w, k->method);
    wr_u16(w, 0); // rfc7296 2.5 MUST: RESERVED is sent as zero
    wr_bytes(w, k->data);
}
