// milenage.c - f1 to f5 of 3GPP TS 35.206 4.1.
#include <string.h>

#include "base/secret.h"
#include "eap/usim.h"

// A block before it is enciphered for an output: rotated by so many bytes (r1 to r5), with a bit of
// a constant (c1 to c5) in its last byte.
struct turn {
    uint8_t by, bit;
};
static const struct turn turn1 = {8, 0}, turn2 = {0, 1}, turn3 = {4, 2}, turn4 = {8, 4},
                         turn5 = {12, 8};

// TEMP = E(RAND xor OPc)
static err_t temp_of(const struct usim *u, const uint8_t *rand, uint8_t out[AES_LEN])
{
    for (unsigned i = 0; i < AES_LEN; i++) out[i] = rand[i] ^ u->opc[i];
    return aes_block(u->k, out, out);
}

// E(rot(in xor OPc, r) xor c xor more) xor OPc
static err_t out_of(const struct usim *u, const uint8_t *in, struct turn t, const uint8_t *more,
                    uint8_t out[AES_LEN])
{
    uint8_t block[AES_LEN];
    for (unsigned i = 0; i < AES_LEN; i++) {
        unsigned from = (i + t.by) % AES_LEN;
        block[i] = in[from] ^ u->opc[from];
    }
    block[AES_LEN - 1] ^= t.bit;
    for (unsigned i = 0; more && i < AES_LEN; i++) block[i] ^= more[i];
    err_t err = aes_block(u->k, block, out);
    for (unsigned i = 0; i < AES_LEN; i++) out[i] ^= u->opc[i];
    wipe(block, sizeof block);
    return err;
}

err_t milenage_f1(const struct usim *u, bool star, const uint8_t *rand, const uint8_t *sqn,
                  const uint8_t *amf, uint8_t mac[USIM_MAC_LEN])
{
    uint8_t temp[AES_LEN], in[AES_LEN], out[AES_LEN];
    for (unsigned half = 0; half < AES_LEN; half += AES_LEN / 2) {
        memcpy(in + half, sqn, USIM_SQN_LEN);
        memcpy(in + half + USIM_SQN_LEN, amf, USIM_AMF_LEN);
    }
    err_t err = temp_of(u, rand, temp);
    if (err == ERR_OK) err = out_of(u, in, turn1, temp, out);
    if (err == ERR_OK) memcpy(mac, out + (star ? USIM_MAC_LEN : 0), USIM_MAC_LEN);
    wipe(temp, sizeof temp);
    wipe(out, sizeof out);
    return err;
}

err_t milenage_f2345(const struct usim *u, const uint8_t *rand, struct usim_made *out)
{
    uint8_t temp[AES_LEN], block[AES_LEN];
    err_t err = temp_of(u, rand, temp);
    if (err == ERR_OK) err = out_of(u, temp, turn2, NULL, block);
    if (err == ERR_OK) err = out_of(u, temp, turn3, NULL, out->ck);
    if (err == ERR_OK) err = out_of(u, temp, turn4, NULL, out->ik);
    if (err == ERR_OK) {
        out->res_len = 8;
        memcpy(out->ak, block, USIM_AK_LEN);
        memcpy(out->res, block + 8, out->res_len);
    }
    wipe(temp, sizeof temp);
    wipe(block, sizeof block);
    return err;
}

err_t milenage_f5star(const struct usim *u, const uint8_t *rand, uint8_t ak[USIM_AK_LEN])
{
    uint8_t temp[AES_LEN], block[AES_LEN];
    err_t err = temp_of(u, rand, temp);
    if (err == ERR_OK) err = out_of(u, temp, turn5, NULL, block);
    if (err == ERR_OK) memcpy(ak, block, USIM_AK_LEN);
    wipe(temp, sizeof temp);
    wipe(block, sizeof block);
    return err;
}
