// dn.h - X.500 distinguished names: text to DER and back, comparison RDN by RDN (RFC 5280 7.1).
// Used by id.c; OpenSSL does the encoding and decoding.
#pragma once

#include "base/cursor.h"
#include "base/err.h"

// From "C=CH, O=strongSwan, CN=moon" or "/C=CH/O=strongSwan/CN=moon". A comma or slash inside a
// value is written with a backslash before it, or the value stands in double quotes.
// *len is the room in der, then the length. Errors: ERR_SYNTAX, ERR_SPACE, ERR_CRYPTO.
err_t dn_parse(const char *text, uint8_t *der, size_t *len, struct why *why);
// Is it one well-formed Name and nothing behind it? ERR_SYNTAX.
err_t dn_check(span_t der);
// 0 = different, 2 = equal but for values "*" in the pattern, 3 = equal. Letter case is ignored.
// wild: whether "*" in the pattern is a wildcard.
unsigned dn_compare(span_t pattern, span_t name, bool wild);
// Does a value "*" occur?
bool dn_has_wildcard(span_t der);
// "C=CH, O=strongSwan, CN=moon" with unprintable bytes escaped, cut at cap. Returns buf.
const char *dn_show(span_t der, char *buf, size_t cap);
