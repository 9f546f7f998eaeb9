#include "crypto/alg_tab.h"

// Tables keep their columns:
// clang-format off

#define AEAD(transform, key, salt, icv, attr, word, krnl, text)                               \
    .type = ALG_ENCR, .id = transform, .key_len = key, .salt_len = salt, .iv_len = 8,         \
    .icv_len = icv, .block = 1, .aead = true, .key_attr = attr, .keyword = word,              \
    .kernel = krnl, .name = text
#define GCM(bits, icv)                                                                        \
    {AEAD(ENCR_AES_GCM_##icv, (bits) / 8, 4, icv, true, "aes" #bits "gcm" #icv,               \
          "rfc4106(gcm(aes))", "AES_GCM_" #icv)}
#define CCM(bits, icv)                                                                        \
    {AEAD(ENCR_AES_CCM_##icv, (bits) / 8, 3, icv, true, "aes" #bits "ccm" #icv,               \
          "rfc4309(ccm(aes))", "AES_CCM_" #icv)}
#define GMAC(bits)                                                                            \
    {AEAD(ENCR_NULL_AES_GMAC, (bits) / 8, 4, 16, true, "aes" #bits "gmac",                    \
          "rfc4543(gcm(aes))", "NULL_AES_GMAC"), .clear = true}
#define CBC(transform, bits, word, krnl)                                                      \
    {.type = ALG_ENCR, .id = ENCR_##transform, .key_len = (bits) / 8, .iv_len = 16,           \
     .block = 16, .key_attr = true, .keyword = word #bits, .kernel = krnl, .name = #transform}
#define CTR(bits)                                                                             \
    {.type = ALG_ENCR, .id = ENCR_AES_CTR, .key_len = (bits) / 8, .salt_len = 4, .iv_len = 8, \
     .block = 1, .key_attr = true, .keyword = "aes" #bits "ctr",                              \
     .kernel = "rfc3686(ctr(aes))", .name = "AES_CTR"}
#define MAC(transform, key, icv, number, word, krnl)                                          \
    .type = ALG_INTEG, .id = INTEG_##transform, .key_len = key, .icv_len = icv,               \
    .mac_len = key, .pfkey = number, .block = 1, .keyword = word, .kernel = krnl,             \
    .name = #transform
// rfc4868 2.1.1: the key is as long as the whole output
#define HMAC(transform, len, icv, number, word, krnl)                                         \
    {MAC(HMAC_##transform, len, icv, number, word, krnl), .hmac = true}
#define OLD .legacy = true
#define FORBIDDEN .legacy = true, .broken = true
#define TRUNCATED(transform, len, icv, number, word, krnl)                                    \
    MAC(HMAC_##transform, len, icv, number, word, krnl), .hmac = true
#define GROUP(transform, word) .type = ALG_KE, .id = KE_##transform, .block = 1,              \
    .keyword = word, .name = #transform
#define PLAIN(kind, transform, word, text)                                                    \
    {.type = kind, .id = transform, .block = 1, .keyword = word, .name = text}

// Within one transform the shortest key stands first.
const struct alg alg_table[] = {
    GCM(128, 16), GCM(192, 16), GCM(256, 16), // RFC 4106
    GCM(128, 12), GCM(192, 12), GCM(256, 12),
    GCM(128, 8),  GCM(192, 8),  GCM(256, 8),
    {AEAD(ENCR_CHACHA20_POLY1305, 32, 4, 16, false, "chacha20poly1305",
          "rfc7539esp(chacha20,poly1305)", "CHACHA20_POLY1305")}, // RFC 7634
    CCM(128, 16), CCM(192, 16), CCM(256, 16), // RFC 4309
    CCM(128, 12), CCM(192, 12), CCM(256, 12),
    CCM(128, 8),  CCM(192, 8),  CCM(256, 8),
    GMAC(128),    GMAC(192),    GMAC(256),    // RFC 4543
    CBC(AES_CBC, 128, "aes", "cbc(aes)"),     // RFC 3602
    CBC(AES_CBC, 192, "aes", "cbc(aes)"),
    CBC(AES_CBC, 256, "aes", "cbc(aes)"),
    CTR(128),     CTR(192),     CTR(256),     // RFC 3686
    CBC(CAMELLIA_CBC, 128, "camellia", "cbc(camellia)"), // RFC 4312
    CBC(CAMELLIA_CBC, 192, "camellia", "cbc(camellia)"),
    CBC(CAMELLIA_CBC, 256, "camellia", "cbc(camellia)"),
    {.type = ALG_ENCR, .id = ENCR_3DES, .key_len = 24, .iv_len = 8, .block = 8, .legacy = true,
     .keyword = "3des", .kernel = "cbc(des3_ede)", .name = "3DES_CBC"}, // RFC 2451
    {.type = ALG_ENCR, .id = ENCR_NULL, .block = 1, .clear = true, .keyword = "null",
     .kernel = "ecb(cipher_null)", .name = "NULL"}, // RFC 2410

    HMAC(SHA2_256_128, 32, 16, 5, "sha256", "hmac(sha256)"), // RFC 4868
    HMAC(SHA2_384_192, 48, 24, 6, "sha384", "hmac(sha384)"),
    HMAC(SHA2_512_256, 64, 32, 7, "sha512", "hmac(sha512)"),
    HMAC(SHA1_96,      20, 12, 3, "sha1",   "hmac(sha1)"),   // RFC 2404
    {MAC(AES_XCBC_96,  16, 12, 9, "aesxcbc", "xcbc(aes)")},  // RFC 3566
    {MAC(AES_CMAC_96,  16, 12, 0, "aescmac", "cmac(aes)")},  // RFC 4494
    HMAC(SHA1_160,     20, 20, 3, "sha1_160", "hmac(sha1)"), // RFC 4595
    HMAC(SHA2_256_96,  32, 12, 5, "sha256_96", "hmac(sha256)"), // draft-ietf-ipsec-ciph-sha-256
    {TRUNCATED(MD5_96,  16, 12, 2, "md5",     "hmac(md5)"), FORBIDDEN}, // RFC 2403
    {TRUNCATED(MD5_128, 16, 16, 2, "md5_128", "hmac(md5)"), FORBIDDEN}, // RFC 4595

    PLAIN(ALG_PRF, PRF_HMAC_SHA2_256, "prfsha256", "PRF_HMAC_SHA2_256"), // RFC 4868
    PLAIN(ALG_PRF, PRF_HMAC_SHA2_384, "prfsha384", "PRF_HMAC_SHA2_384"),
    PLAIN(ALG_PRF, PRF_HMAC_SHA2_512, "prfsha512", "PRF_HMAC_SHA2_512"),
    PLAIN(ALG_PRF, PRF_HMAC_SHA1,     "prfsha1",   "PRF_HMAC_SHA1"),     // RFC 7296
    PLAIN(ALG_PRF, PRF_AES128_XCBC, "prfaesxcbc", "PRF_AES128_XCBC"),    // RFC 4434
    PLAIN(ALG_PRF, PRF_AES128_CMAC, "prfaescmac", "PRF_AES128_CMAC"),    // RFC 4615
    {.type = ALG_PRF, .id = PRF_HMAC_MD5, .block = 1, FORBIDDEN, .keyword = "prfmd5",
     .name = "PRF_HMAC_MD5"}, // RFC 2104

    PLAIN(ALG_KE, KE_X25519,    "x25519",   "CURVE_25519"), // RFC 8031
    PLAIN(ALG_KE, KE_ECP_256,   "ecp256",   "ECP_256"),     // RFC 5903
    PLAIN(ALG_KE, KE_ECP_384,   "ecp384",   "ECP_384"),
    PLAIN(ALG_KE, KE_ECP_521,   "ecp521",   "ECP_521"),
    PLAIN(ALG_KE, KE_MODP_2048, "modp2048", "MODP_2048"),   // RFC 3526
    PLAIN(ALG_KE, KE_MODP_3072, "modp3072", "MODP_3072"),
    PLAIN(ALG_KE, KE_MODP_4096, "modp4096", "MODP_4096"),
    PLAIN(ALG_KE, KE_MODP_6144, "modp6144", "MODP_6144"),
    PLAIN(ALG_KE, KE_MODP_8192, "modp8192", "MODP_8192"),
    PLAIN(ALG_KE, KE_X448,      "x448",     "CURVE_448"),       // RFC 8031
    PLAIN(ALG_KE, KE_ECP_256_BP, "ecp256bp", "ECP_256_BP"),     // RFC 6954
    PLAIN(ALG_KE, KE_ECP_384_BP, "ecp384bp", "ECP_384_BP"),
    PLAIN(ALG_KE, KE_ECP_512_BP, "ecp512bp", "ECP_512_BP"),
    PLAIN(ALG_KE, KE_MLKEM_512,  "mlkem512", "ML_KEM_512"),     // draft-ietf-ipsecme-ikev2-mlkem
    PLAIN(ALG_KE, KE_MLKEM_768,  "mlkem768", "ML_KEM_768"),
    PLAIN(ALG_KE, KE_MLKEM_1024, "mlkem1024", "ML_KEM_1024"),
    {GROUP(MODP_768,      "modp768"), FORBIDDEN}, // RFC 7296
    {GROUP(MODP_1024,     "modp1024"), OLD},
    {GROUP(MODP_1536,     "modp1536"), OLD},      // RFC 3526
    {GROUP(MODP_1024_160, "modp1024s160"), FORBIDDEN}, // RFC 5114
    {GROUP(MODP_2048_224, "modp2048s224"), OLD},
    {GROUP(MODP_2048_256, "modp2048s256"), OLD},
    {GROUP(ECP_192,       "ecp192"), OLD},
    {GROUP(ECP_224,       "ecp224"), OLD},
    {GROUP(ECP_224_BP,    "ecp224bp"), OLD},      // RFC 6954

    PLAIN(ALG_ESN, ESN_NO,  "noesn", "NO_EXT_SEQ"),
    PLAIN(ALG_ESN, ESN_YES, "esn",   "EXT_SEQ"),
    {0},
};

const struct alg_alias alg_aliases[] = {
    {ALG_ENCR, "aes", "aes128"},
    {ALG_ENCR, "aes128gcm", "aes128gcm16"},
    {ALG_ENCR, "aes192gcm", "aes192gcm16"},
    {ALG_ENCR, "aes256gcm", "aes256gcm16"},
    {ALG_ENCR, "aes128gcm128", "aes128gcm16"},
    {ALG_ENCR, "aes192gcm128", "aes192gcm16"},
    {ALG_ENCR, "aes256gcm128", "aes256gcm16"},
    {ALG_ENCR, "aes128gcm96", "aes128gcm12"},
    {ALG_ENCR, "aes192gcm96", "aes192gcm12"},
    {ALG_ENCR, "aes256gcm96", "aes256gcm12"},
    {ALG_ENCR, "aes128gcm64", "aes128gcm8"},
    {ALG_ENCR, "aes192gcm64", "aes192gcm8"},
    {ALG_ENCR, "aes256gcm64", "aes256gcm8"},
    {ALG_ENCR, "aes128ccm", "aes128ccm16"},
    {ALG_ENCR, "aes192ccm", "aes192ccm16"},
    {ALG_ENCR, "aes256ccm", "aes256ccm16"},
    {ALG_ENCR, "aes128ccm128", "aes128ccm16"},
    {ALG_ENCR, "aes192ccm128", "aes192ccm16"},
    {ALG_ENCR, "aes256ccm128", "aes256ccm16"},
    {ALG_ENCR, "aes128ccm96", "aes128ccm12"},
    {ALG_ENCR, "aes192ccm96", "aes192ccm12"},
    {ALG_ENCR, "aes256ccm96", "aes256ccm12"},
    {ALG_ENCR, "aes128ccm64", "aes128ccm8"},
    {ALG_ENCR, "aes192ccm64", "aes192ccm8"},
    {ALG_ENCR, "aes256ccm64", "aes256ccm8"},
    {ALG_ENCR, "camellia", "camellia128"},
    {ALG_INTEG, "sha", "sha1"},
    {ALG_INTEG, "sha2_256", "sha256"},
    {ALG_INTEG, "sha2_384", "sha384"},
    {ALG_INTEG, "sha2_512", "sha512"},
    {ALG_INTEG, "sha2_256_96", "sha256_96"},
    {ALG_KE, "curve25519", "x25519"},
    {ALG_KE, "curve448", "x448"},
    {0},
};

// The old names that the kernel keeps beside its own (net/xfrm: "compat").
const struct alg_alias alg_kernel_aliases[] = {
    {ALG_ENCR, "aes", "cbc(aes)"},
    {ALG_ENCR, "camellia", "cbc(camellia)"},
    {ALG_ENCR, "des3_ede", "cbc(des3_ede)"},
    {ALG_ENCR, "cipher_null", "ecb(cipher_null)"},
    {ALG_INTEG, "sha1", "hmac(sha1)"},
    {ALG_INTEG, "sha256", "hmac(sha256)"},
    {ALG_INTEG, "md5", "hmac(md5)"},
    {0},
};

#define BROKEN "is broken and must not be used (RFC 8221)"
#define OUTSIDE "has no number in IKEv2 and is not done here"
const struct alg_refused alg_refusals[] = {
    {"cbc(des)", BROKEN},       {"des", BROKEN},
    {"cbc(blowfish)", BROKEN},  {"blowfish", BROKEN},
    {"cbc(cast5)", "has blocks too short for today's traffic and is not done here"},
    {"cast5", "has blocks too short for today's traffic and is not done here"},
    {"hmac(rmd160)", OUTSIDE},  {"rmd160", OUTSIDE},
    {"cbc(serpent)", OUTSIDE},  {"serpent", OUTSIDE},
    {"cbc(twofish)", OUTSIDE},  {"twofish", OUTSIDE},
    {"hmac(sm3)", OUTSIDE},     {"cbc(sm4)", OUTSIDE},
    {"digest_null", "lets everybody write packets and must not be used (RFC 8221)"},
    {NULL, NULL},
};

// IANA "Internet Key Exchange Version 2 (IKEv2) Parameters".
const struct alg_label alg_labels[] = {
    {ALG_ENCR, 1, "DES_IV64"},
    {ALG_ENCR, 2, "DES_CBC"},
    {ALG_ENCR, 4, "RC5_CBC"},
    {ALG_ENCR, 5, "IDEA_CBC"},
    {ALG_ENCR, 6, "CAST_CBC"},
    {ALG_ENCR, 7, "BLOWFISH_CBC"},
    {ALG_ENCR, 8, "3IDEA"},
    {ALG_ENCR, 9, "DES_IV32"},
    {ALG_ENCR, 24, "CAMELLIA_CTR"},
    {ALG_ENCR, 25, "CAMELLIA_CCM_8"},
    {ALG_ENCR, 26, "CAMELLIA_CCM_12"},
    {ALG_ENCR, 27, "CAMELLIA_CCM_16"},

    {ALG_PRF, 3, "PRF_HMAC_TIGER"},

    {ALG_INTEG, 0, "NONE"},
    {ALG_INTEG, 3, "DES_MAC"},
    {ALG_INTEG, 4, "KPDK_MD5"},
    {ALG_INTEG, 9, "AES_128_GMAC"},
    {ALG_INTEG, 10, "AES_192_GMAC"},
    {ALG_INTEG, 11, "AES_256_GMAC"},

    {ALG_KE, 0, "NONE"},
    {0},
};

const char *const alg_words[] = {
    "aes128gcm16", "aes192gcm16", "aes256gcm16", "aes128gcm12", "aes192gcm12", "aes256gcm12",
    "aes128gcm8", "aes192gcm8", "aes256gcm8", "aes128ccm16", "aes192ccm16", "aes256ccm16",
    "aes128ccm12", "aes192ccm12", "aes256ccm12", "aes128ccm8", "aes192ccm8", "aes256ccm8",
    "chacha20poly1305", "aes128gmac", "aes192gmac", "aes256gmac", "aes128", "aes192", "aes256",
    "aes128ctr", "aes192ctr", "aes256ctr", "camellia128", "camellia192", "camellia256", "3des",
    "null", "sha256", "sha384", "sha512", "sha1", "aesxcbc", "aescmac", "sha1_160", "sha256_96",
    "md5", "md5_128", "prfsha256",
    "prfsha384", "prfsha512", "prfsha1", "prfaesxcbc", "prfaescmac", "prfmd5", "x25519", "ecp256",
    "ecp384", "ecp521", "modp2048", "modp3072", "modp4096", "modp6144", "modp8192", "x448", "ecp256bp",
    "ecp384bp", "ecp512bp", "mlkem512", "mlkem768", "mlkem1024", "modp768", "modp1024", "modp1536",
    "modp1024s160", "modp2048s224", "modp2048s256", "ecp192", "ecp224", "ecp224bp", "noesn", "esn", "aes", "camellia",
    "aes128gcm", "aes192gcm", "aes256gcm", "aes128gcm128", "aes192gcm128", "aes256gcm128",
    "aes128gcm96", "aes192gcm96", "aes256gcm96", "aes128gcm64", "aes192gcm64", "aes256gcm64",
    "aes128ccm", "aes192ccm", "aes256ccm", "aes128ccm128", "aes192ccm128", "aes256ccm128",
    "aes128ccm96", "aes192ccm96", "aes256ccm96", "aes128ccm64", "aes192ccm64", "aes256ccm64",
    "sha", "sha2_256", "sha2_384", "sha2_512", "sha2_256_96", "curve25519", "curve448", NULL,
};
// clang-format on
