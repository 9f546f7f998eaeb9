// kernel_alg.h - what the kernel knows of an algorithm's name: short names that it takes for the
// full ones, and the truncation that XFRMA_ALG_AUTH implies (net/xfrm has one table for both).
#pragma once

#include "xfrm/xfrm.h"

// Replaces a short name ("aes", "sha1") by the full one ("cbc(aes)", "hmac(sha1)").
void kernel_alg_full_name(struct xfrm_alg *a);
// Bits of ICV when only XFRMA_ALG_AUTH was given; 0 for names not known here. For hmac(sha256)
// that is 96, the length of a draft, and not the 128 of RFC 4868.
uint16_t kernel_alg_icv_bits(const char *full_name);
