#include "netlink/kernel_alg.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *brief, *full;
    uint16_t icv_bits;
} names[] = {
    {"md5", "hmac(md5)", 96},         {"sha1", "hmac(sha1)", 96},
    {"sha256", "hmac(sha256)", 96},   {NULL, "hmac(sha384)", 192},
    {NULL, "hmac(sha512)", 256},      {"rmd160", "hmac(rmd160)", 96},
    {NULL, "xcbc(aes)", 96},          {NULL, "cmac(aes)", 96},
    {NULL, "hmac(sm3)", 256},         {"cipher_null", "ecb(cipher_null)", 0},
    {"des", "cbc(des)", 0},           {"des3_ede", "cbc(des3_ede)", 0},
    {"cast5", "cbc(cast5)", 0},       {"blowfish", "cbc(blowfish)", 0},
    {"aes", "cbc(aes)", 0},           {"serpent", "cbc(serpent)", 0},
    {"camellia", "cbc(camellia)", 0}, {"twofish", "cbc(twofish)", 0},
};

void kernel_alg_full_name(struct xfrm_alg *a)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!names[i].brief || strcmp(a->name, names[i].brief) != 0) continue;
        (void)snprintf(a->name, sizeof a->name, "%s", names[i].full);
        return;
    }
}

uint16_t kernel_alg_icv_bits(const char *full_name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(full_name, names[i].full) == 0) return names[i].icv_bits;
    }
    return 0;
}
