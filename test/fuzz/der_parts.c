#include "test/fuzz/der_parts.h"

span_t der_part(span_t *in)
{
    rd_t r = rd_from(*in);
    (void)rd_u8(&r);
    size_t len = rd_u8(&r);
    if (len == 0x81) len = rd_u8(&r);
    if (len == 0x82) len = rd_u16(&r);
    (void)rd_bytes(&r, len);
    size_t n = r.bad ? in->len : in->len - rd_left(&r);
    span_t part = span(in->at, n);
    *in = span(in->at + n, in->len - n);
    return part;
}
