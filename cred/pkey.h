// pkey.h - what pubkey.c, sign.c and cert.c share about OpenSSL's keys. Inside cred/ only.
#pragma once

#include "cred/pubkey.h"
#include "cred/x509.h"

// Takes a reference of pkey if it succeeds. Errors as pubkey_from_spki().
err_t pubkey_from_pkey(EVP_PKEY *pkey, struct pubkey **out, struct why *why);
err_t pubkey_from_x509(X509_PUBKEY *spki, struct pubkey **out, struct why *why); // borrows spki
EVP_PKEY *pubkey_pkey(const struct pubkey *k);                                   // borrowed
const EVP_MD *scheme_md(uint8_t hash); // NULL for HASH_IDENTITY
// Sets padding, mask function and salt of an RSA scheme; nothing for others. ERR_CRYPTO.
err_t scheme_apply(const struct scheme *s, EVP_PKEY_CTX *ctx);
