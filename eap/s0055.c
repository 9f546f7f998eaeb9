// s0055.c - f1 to f5 of 3GPP2 S.S0055 2.2: the compression function of SHA-1 with K in its initial
// state, over what the function is about, and a polynomial over that.
#include <string.h>

#include "base/order.h"
#include "base/secret.h"
#include "crypto/old.h"
#include "eap/usim.h"

#define FILL 0x5c
#define FAMILY "AHAG" // the family key of S.S0055
#define LEN 20

// Where the parts of a payload stand.
enum { AT_TYPE = 11, AT_FAMILY = 12, AT_RAND = 16, AT_RAND_LONG = 24, AT_SQN = 34, AT_AMF = 42 };
enum { F1 = 0x42, F1_STAR, F2, F3, F4, F5, F5_STAR };

static void mix_in(uint8_t *to, const void *from, size_t n)
{
    const uint8_t *p = from;
    for (size_t i = 0; i < n; i++) to[i] ^= p[i];
}

static void payload_begin(uint8_t type, uint8_t out[SHA1_BLOCK_LEN])
{
    memset(out, FILL, SHA1_BLOCK_LEN);
    out[AT_TYPE] ^= type;
    mix_in(out + AT_FAMILY, FAMILY, strlen(FAMILY));
}

// x = A * x + B over GF(2^160), modulo T^160 + T^5 + T^3 + T^2 + 1. The time tells nothing of x.
static void whiten(uint8_t x[LEN])
{
    static const uint8_t a[LEN] = {0x9d, 0xe9, 0xc9, 0xc8, 0xef, 0xd5, 0x78, 0x11, 0x48, 0x23,
                                   0x14, 0x01, 0x90, 0x1f, 0x2d, 0x49, 0x3f, 0x4c, 0x63, 0x65};
    static const uint8_t b[LEN] = {0x75, 0xef, 0xd1, 0x5c, 0x4b, 0x8f, 0x8f, 0x51, 0x4e, 0xf3,
                                   0xbc, 0xc3, 0x79, 0x4a, 0x76, 0x5e, 0x7e, 0xec, 0x45, 0xe0};
    uint8_t sum[LEN] = {0};
    for (unsigned bit = 0; bit < 8 * LEN; bit++) {
        uint8_t over = sum[0] >> 7;
        for (unsigned i = 0; i + 1 < LEN; i++) sum[i] = (uint8_t)(sum[i] << 1 | sum[i + 1] >> 7);
        sum[LEN - 1] = (uint8_t)(sum[LEN - 1] << 1) ^ (uint8_t)(0x2d * over);
        if (a[bit / 8] >> (7 - bit % 8) & 1) mix_in(sum, x, LEN);
    }
    mix_in(sum, b, LEN);
    memcpy(x, sum, LEN);
    wipe(sum, sizeof sum);
}

static void digest(const struct usim *u, const uint8_t payload[SHA1_BLOCK_LEN], uint8_t out[LEN])
{
    uint32_t state[SHA1_WORDS];
    memcpy(state, sha1_start, sizeof state);
    for (unsigned i = 0; i < USIM_KEY_LEN / 4; i++) state[i] ^= get32(u->k + (size_t)4 * i);
    sha1_block(state, payload);
    for (unsigned i = 0; i < SHA1_WORDS; i++) put32(out + (size_t)4 * i, state[i]);
    whiten(out);
    wipe(state, sizeof state);
}

void s0055_f1(const struct usim *u, bool star, const uint8_t *rand, const uint8_t *sqn,
              const uint8_t *amf, uint8_t mac[USIM_MAC_LEN])
{
    uint8_t payload[SHA1_BLOCK_LEN], out[LEN];
    payload_begin(star ? F1_STAR : F1, payload);
    mix_in(payload + AT_RAND, rand, USIM_RAND_LEN);
    mix_in(payload + AT_SQN, sqn, USIM_SQN_LEN);
    mix_in(payload + AT_AMF, amf, USIM_AMF_LEN);
    digest(u, payload, out);
    memcpy(mac, out, USIM_MAC_LEN);
    wipe(payload, sizeof payload);
    wipe(out, sizeof out);
}

// f2, f3, f4: 16 bytes, of two payloads that differ in four bytes.
static void long_one(const struct usim *u, uint8_t type, const uint8_t *rand, uint8_t to[16])
{
    uint8_t payload[SHA1_BLOCK_LEN], out[LEN];
    for (uint8_t half = 0; half < 2; half++) {
        payload_begin(type, payload);
        mix_in(payload + AT_RAND_LONG, rand, USIM_RAND_LEN);
        for (unsigned i = 3; i < SHA1_BLOCK_LEN; i += 16) payload[i] ^= half;
        digest(u, payload, out);
        memcpy(to + (size_t)8 * half, out, 8);
    }
    wipe(payload, sizeof payload);
    wipe(out, sizeof out);
}

static void hider(const struct usim *u, uint8_t type, const uint8_t *rand, uint8_t ak[USIM_AK_LEN])
{
    uint8_t payload[SHA1_BLOCK_LEN], out[LEN];
    payload_begin(type, payload);
    mix_in(payload + AT_RAND, rand, USIM_RAND_LEN);
    digest(u, payload, out);
    memcpy(ak, out, USIM_AK_LEN);
    wipe(payload, sizeof payload);
    wipe(out, sizeof out);
}

void s0055_f2345(const struct usim *u, const uint8_t *rand, struct usim_made *out)
{
    out->res_len = USIM_RES_MAX;
    long_one(u, F2, rand, out->res);
    long_one(u, F3, rand, out->ck);
    long_one(u, F4, rand, out->ik);
    hider(u, F5, rand, out->ak);
}

void s0055_f5star(const struct usim *u, const uint8_t *rand, uint8_t ak[USIM_AK_LEN])
{
    hider(u, F5_STAR, rand, ak);
}
