// xcbc.h - AES-XCBC-MAC (RFC 3566), which OpenSSL has not got, on top of its AES-CBC. Keys of 24
// and 32 bytes, which the RFC does not know, work as in the kernel's xcbc(aes). For mac.c only.
#pragma once

#include "base/cursor.h"

#define XCBC_LEN 16 // bytes of the MAC, and of a block

struct xcbc;

struct xcbc *xcbc_new(span_t key); // 16, 24 or 32 bytes. NULL: failed
void xcbc_free(struct xcbc *x);    // wipes; NULL is fine
bool xcbc_begin(struct xcbc *x);
bool xcbc_add(struct xcbc *x, const uint8_t *at, size_t len);
bool xcbc_end(struct xcbc *x, uint8_t out[XCBC_LEN]);
