#include "eap/sim_keys.h"

#include <string.h>

#include "base/order.h"
#include "base/secret.h"
#include "crypto/alg.h"
#include "crypto/old.h"
#include "crypto/prf.h"

#define EMSK_LEN 64
#define FULL_LEN (AES_LEN + 16 + SIM_MSK_LEN + EMSK_LEN)
#define PRIME_LEN (AES_LEN + SIM_AUT_MAX + SIM_ROOT_MAX + SIM_MSK_LEN + EMSK_LEN)
#define FC_CK_PRIME 0x20 // TS 33.402 A.2

_Static_assert(SIM_MK_LEN == SHA1_LEN, "MK is a hash");

// rfc4186 B: XKEY = (1 + XKEY + w) mod 2^160
static void seed_next(uint8_t seed[SIM_MK_LEN], const uint8_t w[SIM_MK_LEN])
{
    unsigned carry = 1;
    for (unsigned i = SIM_MK_LEN; i-- > 0;) {
        carry += (unsigned)seed[i] + w[i];
        seed[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

void sim_prf(const uint8_t seed[SIM_MK_LEN], uint8_t *out, size_t len)
{
    uint8_t key[SIM_MK_LEN], w[SIM_MK_LEN], block[SHA1_BLOCK_LEN] = {0};
    memcpy(key, seed, sizeof key);
    while (len) {
        uint32_t state[SHA1_WORDS];
        memcpy(state, sha1_start, sizeof state);
        memcpy(block, key, sizeof key);
        sha1_block(state, block);
        for (unsigned i = 0; i < SHA1_WORDS; i++) put32(w + (size_t)4 * i, state[i]);
        seed_next(key, w);
        size_t n = len < sizeof w ? len : sizeof w;
        memcpy(out, w, n);
        out += n;
        len -= n;
    }
    wipe(key, sizeof key);
    wipe(w, sizeof w);
    wipe(block, sizeof block);
}

err_t sim_keys_make(const span_t *parts, unsigned n, struct sim_keys *out, uint8_t msk[SIM_MSK_LEN])
{
    uint8_t all[FULL_LEN];
    *out = (struct sim_keys){0};
    TRY(hash_sha1(parts, n, out->root));
    sim_prf(out->root, all, sizeof all);
    memcpy(out->encr, all, AES_LEN);
    memcpy(out->aut, all + AES_LEN, 16);
    memcpy(msk, all + AES_LEN + 16, SIM_MSK_LEN);
    wipe(all, sizeof all);
    return ERR_OK;
}

// ---- AKA' --------------------------------------------------------------------------------------

err_t sim_keys_bind(span_t ck_ik, span_t network, const uint8_t sqn_ak[6],
                    uint8_t out[2 * AKA_PRIME_LEN])
{
    static const uint8_t fc = FC_CK_PRIME;
    uint8_t network_len[2], sqn_len[2];
    put16(network_len, (uint16_t)network.len);
    put16(sqn_len, 6);
    const span_t s[] = {span(&fc, 1), network, SPAN(network_len), span(sqn_ak, 6), SPAN(sqn_len)};
    return prf_do(PRF_HMAC_SHA2_256, ck_ik, s, 5, out);
}

// rfc9048 3.4.1: PRF', T1 | T2 | ... with Tn = HMAC(key, Tn-1 | s | n)
static err_t prf_prime(span_t key, const span_t *s, unsigned n, uint8_t *out, size_t len)
{
    uint8_t t[SHA256_LEN], number = 0;
    span_t parts[8] = {span(t, 0)};
    err_t err = n <= 6 ? ERR_OK : ERR_RANGE;
    for (unsigned i = 0; i < n && err == ERR_OK; i++) parts[1 + i] = s[i];
    while (len && err == ERR_OK) {
        number++;
        parts[1 + n] = span(&number, 1);
        err = prf_do(PRF_HMAC_SHA2_256, key, parts, n + 2, t);
        parts[0] = SPAN(t);
        size_t take = len < sizeof t ? len : sizeof t;
        memcpy(out, t, take);
        out += take;
        len -= take;
    }
    wipe(t, sizeof t);
    return err;
}

err_t sim_keys_prime(const uint8_t ck_ik[2 * AKA_PRIME_LEN], span_t identity, struct sim_keys *out,
                     uint8_t msk[SIM_MSK_LEN])
{
    uint8_t all[PRIME_LEN], key[2 * AKA_PRIME_LEN];
    const span_t s[] = {span_str("EAP-AKA'"), identity};
    memcpy(key, ck_ik + AKA_PRIME_LEN, AKA_PRIME_LEN); // IK' goes first
    memcpy(key + AKA_PRIME_LEN, ck_ik, AKA_PRIME_LEN);
    err_t err = prf_prime(SPAN(key), s, 2, all, sizeof all);
    rd_t r = rd_from(SPAN(all));
    *out = (struct sim_keys){.prime = true};
    rd_copy(&r, out->encr, AES_LEN);
    rd_copy(&r, out->aut, SIM_AUT_MAX);
    rd_copy(&r, out->root, SIM_ROOT_MAX);
    rd_copy(&r, msk, SIM_MSK_LEN);
    wipe(all, sizeof all);
    wipe(key, sizeof key);
    return err;
}

// ---- both --------------------------------------------------------------------------------------

err_t sim_keys_again(const struct sim_keys *k, span_t identity, uint16_t counter,
                     const uint8_t nonce_s[SIM_NONCE_LEN], uint8_t msk[SIM_MSK_LEN])
{
    uint8_t number[2], seed[SIM_MK_LEN];
    put16(number, counter);
    const span_t prime[] = {span_str("EAP-AKA' re-auth"), identity, SPAN(number),
                            span(nonce_s, SIM_NONCE_LEN)};
    if (k->prime) return prf_prime(SPAN(k->root), prime, 4, msk, SIM_MSK_LEN);
    const span_t parts[] = {identity, SPAN(number), span(nonce_s, SIM_NONCE_LEN),
                            span(k->root, SIM_MK_LEN)};
    TRY(hash_sha1(parts, 4, seed));
    sim_prf(seed, msk, SIM_MSK_LEN);
    wipe(seed, sizeof seed);
    return ERR_OK;
}

err_t sim_mac(const struct sim_keys *k, const span_t *parts, unsigned n, uint8_t out[SIM_MAC_LEN])
{
    uint8_t full[PRF_MAX];
    uint16_t prf = k->prime ? PRF_HMAC_SHA2_256 : PRF_HMAC_SHA1;
    TRY(prf_do(prf, span(k->aut, k->prime ? SIM_AUT_MAX : 16), parts, n, full));
    memcpy(out, full, SIM_MAC_LEN);
    wipe(full, sizeof full);
    return ERR_OK;
}
