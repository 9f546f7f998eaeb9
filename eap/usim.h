// usim.h - the functions f1 to f5 that a USIM and its home network share (3GPP TS 33.102 6.3), in
// two families: MILENAGE (TS 35.206), and those of 3GPP2 S.S0055, which strongSwan calls 3gpp2.
// And what is made of them: a challenge, its answer, and the word about sequence numbers. Inside
// eap/ only.
#pragma once

#include "base/cursor.h"
#include "crypto/aes.h"
#include "eap/sim_keys.h"

#define USIM_KEY_LEN 16  // K, and OPc
#define USIM_RAND_LEN 16 // also of a GSM challenge
#define USIM_AUTN_LEN 16 // SQN xor AK | AMF | MAC
#define USIM_AUTS_LEN 14 // SQN xor AK* | MAC-S
#define USIM_SQN_LEN 6
#define USIM_AMF_LEN 2
#define USIM_MAC_LEN 8
#define USIM_AK_LEN 6
#define USIM_RES_MAX 16

struct usim {
    bool milenage; // else of 3GPP2
    uint8_t k[USIM_KEY_LEN], opc[USIM_KEY_LEN];
};

// What f2 to f5 make of a challenge.
struct usim_made {
    uint8_t res[USIM_RES_MAX], ck[AKA_CK_LEN], ik[AKA_CK_LEN], ak[USIM_AK_LEN];
    uint8_t res_len;
};

// star: f1*, the MAC of who has another number, and f5*, which hides it. ERR_CRYPTO.
err_t usim_f1(const struct usim *u, bool star, const uint8_t rand[USIM_RAND_LEN],
              const uint8_t sqn[USIM_SQN_LEN], const uint8_t amf[USIM_AMF_LEN],
              uint8_t mac[USIM_MAC_LEN]);
err_t usim_f2345(const struct usim *u, const uint8_t rand[USIM_RAND_LEN], struct usim_made *out);
err_t usim_f5star(const struct usim *u, const uint8_t rand[USIM_RAND_LEN], uint8_t ak[USIM_AK_LEN]);

// Each family's, for usim.c. f1: all 16 bytes, of which MILENAGE's second half is f1*.
err_t milenage_f1(const struct usim *u, bool star, const uint8_t *rand, const uint8_t *sqn,
                  const uint8_t *amf, uint8_t mac[USIM_MAC_LEN]);
err_t milenage_f2345(const struct usim *u, const uint8_t *rand, struct usim_made *out);
err_t milenage_f5star(const struct usim *u, const uint8_t *rand, uint8_t ak[USIM_AK_LEN]);
void s0055_f1(const struct usim *u, bool star, const uint8_t *rand, const uint8_t *sqn,
              const uint8_t *amf, uint8_t mac[USIM_MAC_LEN]);
void s0055_f2345(const struct usim *u, const uint8_t *rand, struct usim_made *out);
void s0055_f5star(const struct usim *u, const uint8_t *rand, uint8_t ak[USIM_AK_LEN]);

// Network: AUTN for a challenge, and the answer that it must get.
err_t usim_challenge(const struct usim *u, const uint8_t rand[USIM_RAND_LEN], uint64_t sqn,
                     uint8_t amf_high, uint8_t autn[USIM_AUTN_LEN], struct usim_made *out);
// USIM: is AUTN the network's, and its number? ERR_AUTH: it is not. Freshness is the caller's.
err_t usim_answer(const struct usim *u, const uint8_t rand[USIM_RAND_LEN],
                  const uint8_t autn[USIM_AUTN_LEN], uint64_t *sqn, struct usim_made *out);
// USIM: says which number it is at. Network: what it has said. ERR_AUTH: not it has.
err_t usim_resync(const struct usim *u, const uint8_t rand[USIM_RAND_LEN], uint64_t sqn,
                  uint8_t auts[USIM_AUTS_LEN]);
err_t usim_resynced(const struct usim *u, const uint8_t rand[USIM_RAND_LEN],
                    const uint8_t auts[USIM_AUTS_LEN], uint64_t *sqn);
