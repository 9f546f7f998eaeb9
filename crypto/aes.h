// aes.h - AES-128 by the block, for what EAP does with it (RFC 4186 10.12, 3GPP TS 35.206): no more
// than a few blocks at a time. IKE and ESP have sealers (crypto/sealer.h).
#pragma once

#include "base/cursor.h"

#define AES_LEN 16 // bytes of a block, and of a key

// CBC without padding, in place: n is a multiple of AES_LEN. ERR_RANGE, ERR_CRYPTO.
err_t aes_cbc_seal(const uint8_t key[AES_LEN], const uint8_t iv[AES_LEN], uint8_t *data, size_t n);
err_t aes_cbc_open(const uint8_t key[AES_LEN], const uint8_t iv[AES_LEN], uint8_t *data, size_t n);
// One block: out may be in. ERR_CRYPTO.
err_t aes_block(const uint8_t key[AES_LEN], const uint8_t in[AES_LEN], uint8_t out[AES_LEN]);
