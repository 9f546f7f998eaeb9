// old.h - MD4, MD5, DES and the inside of SHA-1: broken for whatever they were made for, and still
// what the older methods of EAP are made of (eap/). Never for anything else.
#pragma once

#include "base/cursor.h"

#define MD4_LEN 16
#define MD5_LEN 16
#define SHA1_BLOCK_LEN 64
#define SHA1_WORDS 5
#define DES_LEN 8 // bytes of a block, and of a key: the lowest bit of each byte is parity

void hash_md4(span_t in, uint8_t out[MD4_LEN]);                        // RFC 1320
err_t hash_md5(const span_t *parts, unsigned n, uint8_t out[MD5_LEN]); // RFC 1321. ERR_CRYPTO
err_t des_block(const uint8_t key[DES_LEN], const uint8_t in[DES_LEN], uint8_t out[DES_LEN]);
// What SHA-1 makes of its state with a block (FIPS 180-4 6.1.2), without padding: generators of
// pseudo-random numbers are built on it.
void sha1_block(uint32_t state[SHA1_WORDS], const uint8_t block[SHA1_BLOCK_LEN]);
extern const uint32_t sha1_start[SHA1_WORDS]; // the state before the first block
