#include "crypto/prf.h"

#include <string.h>

#include "crypto/alg.h"

uint32_t prf_len(uint16_t prf)
{
    switch (prf) {
    case PRF_HMAC_MD5:
    case PRF_AES128_XCBC:
    case PRF_AES128_CMAC:
        return 16;
    case PRF_HMAC_SHA1:
        return 20;
    case PRF_HMAC_SHA2_256:
        return 32;
    case PRF_HMAC_SHA2_384:
        return 48;
    case PRF_HMAC_SHA2_512:
        return 64;
    default:
        return 0;
    }
}

bool prf_takes_short_nonces(uint16_t prf)
{
    return prf == PRF_AES128_XCBC || prf == PRF_AES128_CMAC;
}

err_t prf_plus(uint16_t prf, span_t key, span_t seed, uint8_t *out, size_t len)
{
    uint8_t t[PRF_MAX], count = 0;
    uint32_t block = prf_len(prf);
    err_t e = ERR_OK;
    if (block == 0) return ERR_ALGORITHM;
    // rfc7296 2.13: the counter is one octet, so prf+ ends after 255 blocks
    if (len > (size_t)255 * block) return ERR_SPACE;
    while (len > 0 && e == ERR_OK) {
        // T1 = prf(K, S | 0x01), Tn = prf(K, Tn-1 | S | n)
        count++;
        const span_t parts[] = {span(t, count > 1 ? block : 0), seed, span(&count, 1)};
        e = prf_do(prf, key, parts, 3, t);
        if (e != ERR_OK) break;
        size_t n = len < block ? len : block;
        memcpy(out, t, n);
        out += n;
        len -= n;
    }
    wipe(t, sizeof t);
    return e;
}
