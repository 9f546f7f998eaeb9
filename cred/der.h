// der.h - strict DER (X.690 10, 11): for structures that OpenSSL has no reader for. A cursor that
// meets something else than it was asked for sticks, as with base/cursor.h, so that a reader goes
// from top to bottom and looks once, at the end.
#pragma once

#include "base/cursor.h"

enum der_tag {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BITS = 0x03,
    DER_OCTETS = 0x04,
    DER_OID = 0x06,
    DER_UTF8 = 0x0c,
    DER_TIME = 0x18, // GeneralizedTime
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
};
#define DER_CONTEXT(n) (0xa0 + (n)) // constructed, context-specific

#define DER_LEN_MAX 0xffffff // bytes of one element; nothing that is read with this is longer

// Is the next element one of this tag? (Not whether it is sound.)
bool der_is(const rd_t *r, uint8_t tag);
// The next element, which must have this tag: its contents; empty and stuck otherwise. Lengths are
// definite and as short as can be.
span_t der_take(rd_t *r, uint8_t tag);
rd_t der_open(rd_t *r, uint8_t tag);    // likewise, to be read on; stuck if r is
span_t der_whole(rd_t *r, uint8_t tag); // with tag and length
bool der_skip(rd_t *r, uint8_t tag);    // if it is there; was it?
// INTEGER as its bytes: minimal, and not negative. Empty and stuck otherwise.
span_t der_unsigned(rd_t *r);
// BIT STRING of whole bytes.
span_t der_bits(rd_t *r);
// "YYYYMMDDHHMMSSZ" (RFC 5280 4.1.2.5.2), in seconds since 1970.
int64_t der_time(rd_t *r);
