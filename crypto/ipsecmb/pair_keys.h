// pair_keys.h - what intel-ipsec-mb computes once from the keys of a cipher and a MAC. For pair.c.
#pragma once

#include "crypto/ipsecmb/machine.h"
#include "crypto/provider.h"

struct pair_keys {
    IMB_CIPHER_MODE cipher;
    IMB_HASH_ALG hash;
    uint32_t cipher_len; // bytes of key; 0 = NULL cipher
    uint32_t mac_len;    // that the library computes; truncated afterwards
    uint8_t salt[SALT_MAX];
    const void *enc, *dec; // what a job wants to see: round keys, or des
    uint32_t enc_rounds[60] __attribute__((aligned(16))), dec_rounds[60];
    uint64_t des_rounds[3][16];
    const void *des[3];
    // HMAC: the hash's state after the first block, inner and outer. AES-XCBC: K2, K3. AES-CMAC:
    // the two subkeys.
    uint8_t first[MAC_MAX] __attribute__((aligned(16))), second[MAC_MAX];
    uint32_t mac_rounds[60] __attribute__((aligned(16))); // AES-XCBC: of K1
};

// Does the library do this cipher with this MAC, with keys of these lengths?
bool pair_keys_can(const struct sealer_plan *plan);
// Points into itself: not to be copied. Holds keys: the owner wipes it. ERR_ALGORITHM if it cannot.
err_t pair_keys_make(struct pair_keys *k, const struct sealer_plan *plan);
// Says in a job how its MAC is made.
void pair_keys_mac(const struct pair_keys *k, IMB_JOB *job);
