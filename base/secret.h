// secret.h - key material: wiped when it goes, compared in constant time, never printed.
#pragma once

#include <stdbool.h>

#include "base/cursor.h"

#define SECRET_MAX 1088 // bytes; the longest is prf+ output for an IKE SA and a MODP-8192 secret

// Held by value inside its owner; secret_done() before the owner's memory goes.
// There is no function that turns one into text, on purpose.
struct secret {
    uint32_t len; // bytes
    uint8_t at[SECRET_MAX];
};

// Replaces the content. ERR_SPACE if s is longer than SECRET_MAX.
err_t secret_set(struct secret *k, span_t s);
static inline span_t secret_span(const struct secret *k)
{
    return span(k->at, k->len);
}
void secret_done(struct secret *k); // wipes

// The same for one key of an SA, of which there are many and which is never longer than this.
#define SECRET_KEY_MAX 64 // bytes: HMAC-SHA-512; ciphers take less, with their salt
struct secret_key {
    uint8_t len; // bytes
    uint8_t at[SECRET_KEY_MAX];
};
err_t secret_key_set(struct secret_key *k, span_t s); // ERR_SPACE
static inline span_t secret_key_span(const struct secret_key *k)
{
    return span(k->at, k->len);
}

void wipe(void *p, size_t n);                          // not optimised away
bool equal_ct(const void *a, const void *b, size_t n); // time depends on n only
