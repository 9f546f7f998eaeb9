#include "ike/codec/payloads.h"

#define IDENT_RESERVED 3 // bytes after the type

err_t ident_read(span_t body, struct id *out)
{
    rd_t r = rd_from(body);
    uint8_t type = rd_u8(&r);
    (void)rd_bytes(&r, IDENT_RESERVED); // rfc7296 2.5 MUST: RESERVED is ignored on receipt
    span_t data = rd_rest(&r);
    TRY(rd_done(&r));
    return id_from_wire(type, data, out);
}

void ident_write(wr_t *w, const struct id *id)
{
    wr_u8(w, id->type);
    wr_zero(w, IDENT_RESERVED); // rfc7296 2.5 MUST: RESERVED is sent as zero
    wr_bytes(w, span(id->data, id->len));
}
