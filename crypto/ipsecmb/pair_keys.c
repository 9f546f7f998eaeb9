#include "crypto/ipsecmb/pair_keys.h"

#include "base/secret.h"

#define SHA_BLOCK_MAX 128
#define XCBC_ICV_LEN 12 // the library gives no more of an AES-XCBC MAC

static const struct cipher {
    uint16_t encr;
    IMB_CIPHER_MODE mode;
} ciphers[] = {
    {ENCR_NULL, IMB_CIPHER_NULL},
    {ENCR_AES_CBC, IMB_CIPHER_CBC},
    {ENCR_AES_CTR, IMB_CIPHER_CNTR},
    {ENCR_3DES, IMB_CIPHER_DES3},
};

static const struct hash {
    uint16_t integ;
    uint16_t key_max; // bytes; an HMAC's is the block of its hash
    IMB_HASH_ALG alg;
} hashes[] = {
    {INTEG_HMAC_SHA1_96, 64, IMB_AUTH_HMAC_SHA_1},
    {INTEG_HMAC_SHA2_256_128, 64, IMB_AUTH_HMAC_SHA_256},
    {INTEG_HMAC_SHA2_384_192, 128, IMB_AUTH_HMAC_SHA_384},
    {INTEG_HMAC_SHA2_512_256, 128, IMB_AUTH_HMAC_SHA_512},
    {INTEG_AES_XCBC_96, 16, IMB_AUTH_AES_XCBC},
    {INTEG_AES_CMAC_96, 32, IMB_AUTH_AES_CMAC},
};

static const struct cipher *cipher_find(uint16_t encr)
{
    for (size_t i = 0; i < sizeof ciphers / sizeof *ciphers; i++) {
        if (ciphers[i].encr == encr) return &ciphers[i];
    }
    return NULL;
}

static const struct hash *hash_find(uint16_t integ)
{
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        if (hashes[i].integ == integ) return &hashes[i];
    }
    return NULL;
}

bool pair_keys_can(const struct sealer_plan *plan)
{
    if (!plan->integ || !machine_table() || !cipher_find(plan->encr->id)) return false;
    const struct hash *h = hash_find(plan->integ->id);
    bool xcbc_long = plan->integ->id == INTEG_AES_XCBC_96 && plan->icv_len > XCBC_ICV_LEN;
    bool cmac_192 = plan->integ->id == INTEG_AES_CMAC_96 && plan->integ_key.len == 24;
    return h && plan->integ_key.len <= h->key_max && !cmac_192 && !xcbc_long;
}

// ---- MACs ----

static hash_one_block_t hash_block(const IMB_MGR *m, IMB_HASH_ALG hash)
{
    if (hash == IMB_AUTH_HMAC_SHA_1) return m->sha1_one_block;
    if (hash == IMB_AUTH_HMAC_SHA_256) return m->sha256_one_block;
    return hash == IMB_AUTH_HMAC_SHA_384 ? m->sha384_one_block : m->sha512_one_block;
}

// RFC 2104: the state of the hash after the block key ^ pad.
static void hmac_half(hash_one_block_t block, span_t key, uint8_t pad, uint8_t state[MAC_MAX])
{
    uint8_t padded[SHA_BLOCK_MAX];
    memset(padded, pad, sizeof padded);
    for (size_t i = 0; i < key.len; i++) padded[i] ^= key.at[i]; // not longer than a block: can()
    block(padded, state);
    wipe(padded, sizeof padded);
}

static void cmac_make(struct pair_keys *k, const IMB_MGR *m, span_t key)
{
    uint32_t unused[60] __attribute__((aligned(16)));
    if (key.len == 16) {
        IMB_AES_KEYEXP_128(m, key.at, k->mac_rounds, unused);
        IMB_AES_CMAC_SUBKEY_GEN_128(m, k->mac_rounds, k->first, k->second);
    } else {
        k->hash = IMB_AUTH_AES_CMAC_256;
        IMB_AES_KEYEXP_256(m, key.at, k->mac_rounds, unused);
        IMB_AES_CMAC_SUBKEY_GEN_256(m, k->mac_rounds, k->first, k->second);
    }
    wipe(unused, sizeof unused);
}

static void mac_make(struct pair_keys *k, const IMB_MGR *m, span_t key)
{
    if (k->hash == IMB_AUTH_AES_XCBC) {
        IMB_AES_XCBC_KEYEXP(m, key.at, k->mac_rounds, k->first, k->second);
    } else if (k->hash == IMB_AUTH_AES_CMAC) {
        cmac_make(k, m, key);
    } else {
        hmac_half(hash_block(m, k->hash), key, 0x36, k->first);
        hmac_half(hash_block(m, k->hash), key, 0x5c, k->second);
    }
}

void pair_keys_mac(const struct pair_keys *k, IMB_JOB *job)
{
    job->hash_alg = k->hash;
    switch ((unsigned)k->hash) {
    case IMB_AUTH_AES_XCBC:
        job->u.XCBC._k1_expanded = k->mac_rounds;
        job->u.XCBC._k2 = k->first;
        job->u.XCBC._k3 = k->second;
        return;
    case IMB_AUTH_AES_CMAC:
    case IMB_AUTH_AES_CMAC_256:
        job->u.CMAC._key_expanded = k->mac_rounds;
        job->u.CMAC._skey1 = k->first;
        job->u.CMAC._skey2 = k->second;
        return;
    default:
        job->u.HMAC._hashed_auth_key_xor_ipad = k->first;
        job->u.HMAC._hashed_auth_key_xor_opad = k->second;
    }
}

// ---- ciphers ----

static void des_make(struct pair_keys *k, const IMB_MGR *m, span_t key)
{
    for (size_t i = 0; i < 3; i++) {
        IMB_DES_KEYSCHED(m, k->des_rounds[i], key.at + i * 8);
        k->des[i] = k->des_rounds[i];
    }
    k->enc = k->dec = k->des;
}

static void aes_make(struct pair_keys *k, const IMB_MGR *m, span_t key)
{
    k->enc = k->enc_rounds;
    k->dec = k->dec_rounds;
    if (key.len == 16)
        IMB_AES_KEYEXP_128(m, key.at, k->enc_rounds, k->dec_rounds);
    else if (key.len == 24)
        IMB_AES_KEYEXP_192(m, key.at, k->enc_rounds, k->dec_rounds);
    else
        IMB_AES_KEYEXP_256(m, key.at, k->enc_rounds, k->dec_rounds);
}

err_t pair_keys_make(struct pair_keys *k, const struct sealer_plan *plan)
{
    const IMB_MGR *m = machine_table();
    const struct cipher *cipher = cipher_find(plan->encr->id);
    const struct hash *hash = hash_find(plan->integ->id);
    if (!cipher || !hash) return ERR_ALGORITHM;
    k->cipher = cipher->mode;
    k->hash = hash->alg;
    k->cipher_len = plan->encr->key_len;
    k->mac_len = k->hash == IMB_AUTH_AES_XCBC ? XCBC_ICV_LEN : plan->integ->mac_len;
    if (plan->salt.len) memcpy(k->salt, plan->salt.at, plan->salt.len);
    if (k->cipher == IMB_CIPHER_DES3)
        des_make(k, m, plan->encr_key);
    else if (k->cipher_len)
        aes_make(k, m, plan->encr_key);
    mac_make(k, m, plan->integ_key);
    return ERR_OK;
}
