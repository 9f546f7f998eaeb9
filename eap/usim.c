#include "eap/usim.h"

#include <string.h>

#include "base/secret.h"

err_t usim_f1(const struct usim *u, bool star, const uint8_t rand[USIM_RAND_LEN],
              const uint8_t sqn[USIM_SQN_LEN], const uint8_t amf[USIM_AMF_LEN],
              uint8_t mac[USIM_MAC_LEN])
{
    if (u->milenage) return milenage_f1(u, star, rand, sqn, amf, mac);
    s0055_f1(u, star, rand, sqn, amf, mac);
    return ERR_OK;
}

err_t usim_f2345(const struct usim *u, const uint8_t rand[USIM_RAND_LEN], struct usim_made *out)
{
    *out = (struct usim_made){0};
    if (u->milenage) return milenage_f2345(u, rand, out);
    s0055_f2345(u, rand, out);
    return ERR_OK;
}

err_t usim_f5star(const struct usim *u, const uint8_t rand[USIM_RAND_LEN], uint8_t ak[USIM_AK_LEN])
{
    if (u->milenage) return milenage_f5star(u, rand, ak);
    s0055_f5star(u, rand, ak);
    return ERR_OK;
}

static void number_put(uint64_t sqn, uint8_t out[USIM_SQN_LEN])
{
    for (unsigned i = 0; i < USIM_SQN_LEN; i++) out[i] = (uint8_t)(sqn >> 8 * (5 - i));
}

static uint64_t number_get(const uint8_t *p)
{
    uint64_t sqn = 0;
    for (unsigned i = 0; i < USIM_SQN_LEN; i++) sqn = sqn << 8 | p[i];
    return sqn;
}

static void mask(uint8_t *number, const uint8_t ak[USIM_AK_LEN])
{
    for (unsigned i = 0; i < USIM_SQN_LEN; i++) number[i] ^= ak[i];
}

err_t usim_challenge(const struct usim *u, const uint8_t rand[USIM_RAND_LEN], uint64_t sqn,
                     uint8_t amf_high, uint8_t autn[USIM_AUTN_LEN], struct usim_made *out)
{
    uint8_t number[USIM_SQN_LEN];
    const uint8_t amf[USIM_AMF_LEN] = {amf_high, 0};
    number_put(sqn, number);
    TRY(usim_f2345(u, rand, out));
    TRY(usim_f1(u, false, rand, number, amf, autn + USIM_SQN_LEN + USIM_AMF_LEN));
    mask(number, out->ak);
    memcpy(autn, number, USIM_SQN_LEN);
    memcpy(autn + USIM_SQN_LEN, amf, USIM_AMF_LEN);
    return ERR_OK;
}

err_t usim_answer(const struct usim *u, const uint8_t rand[USIM_RAND_LEN],
                  const uint8_t autn[USIM_AUTN_LEN], uint64_t *sqn, struct usim_made *out)
{
    uint8_t number[USIM_SQN_LEN], want[USIM_MAC_LEN];
    memcpy(number, autn, USIM_SQN_LEN);
    TRY(usim_f2345(u, rand, out));
    mask(number, out->ak);
    TRY(usim_f1(u, false, rand, number, autn + USIM_SQN_LEN, want));
    *sqn = number_get(number);
    bool right = equal_ct(want, autn + USIM_SQN_LEN + USIM_AMF_LEN, USIM_MAC_LEN);
    wipe(want, sizeof want);
    return right ? ERR_OK : ERR_AUTH;
}

// 33.102 6.3.3: AMF counts as zero in it.
static const uint8_t no_amf[USIM_AMF_LEN];

err_t usim_resync(const struct usim *u, const uint8_t rand[USIM_RAND_LEN], uint64_t sqn,
                  uint8_t auts[USIM_AUTS_LEN])
{
    uint8_t ak[USIM_AK_LEN];
    number_put(sqn, auts);
    TRY(usim_f1(u, true, rand, auts, no_amf, auts + USIM_SQN_LEN));
    TRY(usim_f5star(u, rand, ak));
    mask(auts, ak);
    wipe(ak, sizeof ak);
    return ERR_OK;
}

err_t usim_resynced(const struct usim *u, const uint8_t rand[USIM_RAND_LEN],
                    const uint8_t auts[USIM_AUTS_LEN], uint64_t *sqn)
{
    uint8_t number[USIM_SQN_LEN], ak[USIM_AK_LEN], want[USIM_MAC_LEN];
    memcpy(number, auts, USIM_SQN_LEN);
    TRY(usim_f5star(u, rand, ak));
    mask(number, ak);
    wipe(ak, sizeof ak);
    TRY(usim_f1(u, true, rand, number, no_amf, want));
    *sqn = number_get(number);
    bool right = equal_ct(want, auts + USIM_SQN_LEN, USIM_MAC_LEN);
    wipe(want, sizeof want);
    return right ? ERR_OK : ERR_AUTH;
}
