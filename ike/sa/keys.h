// keys.h - key material of an IKE SA and its children (RFC 7296 2.13 - 2.18), and AUTH (2.15).
#pragma once

#include "base/addr.h"
#include "base/secret.h"
#include "crypto/prf.h"
#include "crypto/sealer.h"
#include "ike/codec/proposal.h"

// Keys of an IKE SA. Wipe with ike_keys_done().
struct ike_keys {
    uint16_t prf;
    struct secret_key d, ai, ar, ei, er, pi, pr; // SK_*; ei/er include the AEAD salt
};
// SKEYSEED = prf(Ni | Nr, g^ir); {SK_d | ...} = prf+(SKEYSEED, Ni | Nr | SPIi | SPIr).
// Errors: ERR_ALGORITHM, ERR_CRYPTO.
err_t ike_keys_initial(const struct proposal *chosen, span_t ni, span_t nr,
                       const struct secret *shared, uint64_t spi_i, uint64_t spi_r,
                       struct ike_keys *out);
// What the key exchanges of one CREATE_CHILD_SA gave: SK(0), and SK(1) | ... | SK(n) of those that
// followed (RFC 9370 2.2.4).
struct ke_secrets {
    const struct secret *first; // NULL: none
    span_t more;
};
static inline struct ke_secrets ke_single(const struct secret *s)
{
    return (struct ke_secrets){.first = s};
}
// Rekey: SKEYSEED = prf(SK_d (old), SK(0) | Ni | Nr | SK(1) ...), old PRF (RFC 7296 2.18).
err_t ike_keys_rekey(const struct ike_keys *old, const struct proposal *chosen, span_t ni,
                     span_t nr, struct ke_secrets shared, uint64_t spi_i, uint64_t spi_r,
                     struct ike_keys *out);
// PPK (RFC 8784 3): SK_d, SK_pi, SK_pr = prf+(PPK, themselves); the others stay. Errors:
// ERR_CRYPTO.
err_t ike_keys_mix(struct ike_keys *k, span_t ppk);
// RFC 9867 3.1.1: SKEYSEED' = prf+(PPK, SK_d), and all keys anew from that. Errors as
// ike_keys_initial().
err_t ike_keys_refresh(const struct ike_keys *old, const struct proposal *chosen, span_t ni,
                       span_t nr, span_t ppk, uint64_t spi_i, uint64_t spi_r, struct ike_keys *out);
// The sealer of one direction: of what the original initiator of the IKE SA sends, or the other.
// Errors: ERR_ALGORITHM, ERR_NOMEM, ERR_CRYPTO.
err_t ike_keys_sealer(const struct ike_keys *k, const struct proposal *chosen, bool initiators,
                      struct sealer **out);
void ike_keys_done(struct ike_keys *k);

// KEYMAT = prf+(SK_d, [SK(0) |] Ni | Nr [| SK(1) ...]): initiator->responder keys first, encryption
// before integrity (2.17).
struct child_keys {
    struct secret_key ei, ai, er, ar; // i: for traffic from the exchange's initiator
};
err_t child_keys_make(const struct ike_keys *ike, const struct proposal *chosen, span_t ni,
                      span_t nr, struct ke_secrets shared, struct child_keys *out);
void child_keys_done(struct child_keys *k);

// InitiatorSignedOctets / ResponderSignedOctets = message | nonce of the other | prf(SK_p, ID
// body) [| IntAuth] (2.15, RFC 9242 3.3.2). Parts that they are made of; `maced` holds the third.
struct octets {
    span_t part[4];
    uint8_t maced[PRF_MAX];
};
#define OCTETS_PARTS 4
err_t octets_make(uint16_t prf, span_t message, span_t peer_nonce, const struct secret_key *sk_p,
                  span_t id_body, span_t intauth, struct octets *out);
// Pre-shared key AUTH = prf(prf(psk, "Key Pad for IKEv2"), octets). out: prf_len bytes.
err_t auth_psk(uint16_t prf, span_t psk, const struct octets *octets, uint8_t out[PRF_MAX]);

// NAT detection hash: SHA-1(SPIi | SPIr | IP | port) (2.23).
err_t nat_hash(uint64_t spi_i, uint64_t spi_r, const endpoint_t *e, uint8_t out[20]);
