// sim_keys.h - keys of EAP-SIM, EAP-AKA (RFC 4186 7, RFC 4187 7) and EAP-AKA' (RFC 9048 3.3), and
// the MAC over their packets. Inside eap/ only.
#pragma once

#include "base/cursor.h"
#include "crypto/aes.h"

#define SIM_MAC_LEN 16
#define SIM_NONCE_LEN 16
#define SIM_MSK_LEN 64
#define SIM_MK_LEN 20    // SHA-1
#define SIM_ROOT_MAX 32  // K_re of AKA'
#define SIM_AUT_MAX 32   // K_aut; 16 bytes but in AKA'
#define AKA_CK_LEN 16    // and of IK
#define AKA_PRIME_LEN 16 // of CK' and IK'

struct sim_keys {
    bool prime;                 // AKA': SHA-256
    uint8_t root[SIM_ROOT_MAX]; // what a reauthentication's keys are made of: MK, or K_re
    uint8_t encr[AES_LEN], aut[SIM_AUT_MAX];
};

// The generator of FIPS 186-2, change notice 1, as in RFC 4186 appendix B: len bytes from a seed.
void sim_prf(const uint8_t seed[SIM_MK_LEN], uint8_t *out, size_t len);

// Full authentication: of all that is hashed into MK. ERR_CRYPTO.
err_t sim_keys_make(const span_t *parts, unsigned n, struct sim_keys *out,
                    uint8_t msk[SIM_MSK_LEN]);
// rfc9048 3.3: CK' | IK', of CK and IK, for a network of this name. sqn_ak: the first of AUTN.
err_t sim_keys_bind(span_t ck_ik, span_t network, const uint8_t sqn_ak[6],
                    uint8_t out[2 * AKA_PRIME_LEN]);
// ... and of these. ERR_CRYPTO.
err_t sim_keys_prime(const uint8_t ck_ik[2 * AKA_PRIME_LEN], span_t identity, struct sim_keys *out,
                     uint8_t msk[SIM_MSK_LEN]);
// Fast reauthentication: another MSK; the rest stays. ERR_CRYPTO.
err_t sim_keys_again(const struct sim_keys *k, span_t identity, uint16_t counter,
                     const uint8_t nonce_s[SIM_NONCE_LEN], uint8_t msk[SIM_MSK_LEN]);
// AT_MAC over a packet in which it is zero, and what the method appends to it. ERR_CRYPTO.
err_t sim_mac(const struct sim_keys *k, const span_t *parts, unsigned n, uint8_t out[SIM_MAC_LEN]);
