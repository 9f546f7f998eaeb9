// alg.h - the algorithms by their IANA IKEv2 transform numbers, and their names in the three
// languages users meet: swanctl.conf keywords, `ip xfrm` (kernel) names, RFC names.
// Pure data: the one table that conf/, ike/, netlink/ and cli/ translate with.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Transform types, RFC 7296 3.3.2.
enum alg_type {
    ALG_ENCR = 1,
    ALG_PRF = 2,
    ALG_INTEG = 3,
    ALG_KE = 4,
    ALG_ESN = 5,
    // Additional key exchanges, whose methods are those of ALG_KE (RFC 9370).
    ALG_ADDKE1 = 6,
    ALG_ADDKE7 = 12
};

// Type 1, encryption.
enum alg_encr {
    ENCR_NONE = 0,
    ENCR_3DES = 3,
    ENCR_NULL = 11,
    ENCR_AES_CBC = 12,
    ENCR_AES_CTR = 13,
    ENCR_AES_CCM_8 = 14,
    ENCR_AES_CCM_12 = 15,
    ENCR_AES_CCM_16 = 16,
    ENCR_AES_GCM_8 = 18,
    ENCR_AES_GCM_12 = 19,
    ENCR_AES_GCM_16 = 20,
    ENCR_NULL_AES_GMAC = 21,
    ENCR_CAMELLIA_CBC = 23,
    ENCR_CHACHA20_POLY1305 = 28,
};
// Type 2, pseudo-random function.
enum alg_prf {
    PRF_HMAC_MD5 = 1,
    PRF_HMAC_SHA1 = 2,
    PRF_AES128_XCBC = 4,
    PRF_HMAC_SHA2_256 = 5,
    PRF_HMAC_SHA2_384 = 6,
    PRF_HMAC_SHA2_512 = 7,
    PRF_AES128_CMAC = 8,
};
// Type 3, integrity.
enum alg_integ {
    INTEG_NONE = 0,
    INTEG_HMAC_MD5_96 = 1,
    INTEG_HMAC_SHA1_96 = 2,
    INTEG_AES_XCBC_96 = 5,
    INTEG_HMAC_MD5_128 = 6,
    INTEG_HMAC_SHA1_160 = 7,
    INTEG_AES_CMAC_96 = 8,
    INTEG_HMAC_SHA2_256_128 = 12,
    INTEG_HMAC_SHA2_384_192 = 13,
    INTEG_HMAC_SHA2_512_256 = 14,
    INTEG_HMAC_SHA2_256_96 = 1026, // for private use: strongSwan's number
};
// Type 4, key exchange method.
enum alg_ke {
    KE_NONE = 0,
    KE_MODP_768 = 1,
    KE_MODP_1024 = 2,
    KE_MODP_1536 = 5,
    KE_MODP_2048 = 14,
    KE_MODP_3072 = 15,
    KE_MODP_4096 = 16,
    KE_MODP_6144 = 17,
    KE_MODP_8192 = 18,
    KE_ECP_256 = 19,
    KE_ECP_384 = 20,
    KE_ECP_521 = 21,
    KE_MODP_1024_160 = 22, // RFC 5114
    KE_MODP_2048_224 = 23,
    KE_MODP_2048_256 = 24,
    KE_ECP_192 = 25,
    KE_ECP_224 = 26,
    KE_ECP_224_BP = 27,
    KE_ECP_256_BP = 28,
    KE_ECP_384_BP = 29,
    KE_ECP_512_BP = 30,
    KE_X25519 = 31,
    KE_X448 = 32,
    KE_MLKEM_512 = 35,
    KE_MLKEM_768 = 36,
    KE_MLKEM_1024 = 37,
};
// Type 5, sequence numbers (RFC 9827).
enum alg_esn { ESN_NO = 0, ESN_YES = 1 };

// One algorithm. Sizes in bytes.
struct alg {
    uint8_t type;      // enum alg_type
    uint16_t id;       // transform number
    uint16_t key_len;  // what IKE derives; 0 = no key, or (PRF) any length; ENCR: without salt
    uint16_t salt_len; // implicit nonce taken from KEYMAT after the key (counter modes)
    uint16_t iv_len;   // on the wire
    uint16_t icv_len;  // AEAD tag or truncated MAC
    uint16_t mac_len;  // INTEG: the MAC before it is truncated
    uint8_t pfkey;     // INTEG: its number in PF_KEY (RFC 2367, SADB_AALG_*); 0: has none
    uint16_t block;    // payload is padded to a multiple of this (at least 4 for ESP)
    bool aead;
    bool clear;          // leaves the text readable: for ESP, never for IKE messages
    bool legacy;         // weak: only for peers that have nothing better, and only when asked for
    bool broken;         // ... RFC 8247 and 8221 forbid it: only where somebody insists (--legacy)
    bool hmac;           // INTEG: takes a key of any length
    bool key_attr;       // the KEY_LENGTH attribute is sent (variable-length ciphers)
    const char *keyword; // swanctl.conf: "aes128gcm16", "sha256", "prfsha256", "x25519"
    const char *kernel;  // `ip xfrm`: "rfc4106(gcm(aes))"; NULL if none
    const char *name; // RFC / IANA: "ENCR_AES_GCM_16", as `swanctl --list-sas` prints: "AES_GCM_16"
};

// The whole table; *n entries. A cipher with three key sizes has three entries.
const struct alg *alg_all(size_t *n);
// Exact entry; key_len 0 = the first with that id. NULL if not known here.
const struct alg *alg_find(enum alg_type type, uint16_t id, uint16_t key_len);
// By swanctl.conf keyword, aliases included ("aes128gcm128", "sha2_256", "modp2048", "ecp256").
// A keyword can mean an ENCR, an INTEG, a PRF ("prf..."), a KE or an ESN ("esn", "noesn").
// NULL if unknown.
const struct alg *alg_by_keyword(const char *keyword);
// All keywords, NULL-terminated, for "did you mean".
const char *const *alg_keywords(void);
// By kernel name or the kernel's old alias ("aes", "sha1"), for NETLINK_XFRM. key_len is without
// the salt (0 = any). icv_len distinguishes GCM variants (0 = any). A MAC is found whatever the
// lengths: its truncation is the SA's matter.
const struct alg *alg_by_kernel(enum alg_type type, const char *kernel, uint16_t key_len,
                                uint16_t icv_len);
// Does it take a key of this many bytes, the salt included? A MAC takes more than the length that
// IKE derives, as the kernel does: an HMAC any but none at all, the AES ones those of AES.
bool alg_takes_key(const struct alg *a, size_t len);
// The lengths that alg_takes_key() knows, for people: "20, 28 or 36", times `unit` (1: bytes, 8:
// bits). Returns buf.
const char *alg_show_keys(const struct alg *a, unsigned unit, char buf[48]);
// Why an algorithm that the kernel knows by this name is not done here, as the rest of a sentence;
// NULL if there is nothing to say.
const char *alg_refusal(const char *kernel);
// IANA-style text for a number, known or not: buf of 32, returned.
const char *alg_show(enum alg_type type, uint16_t id, char buf[32]);
