// signx.h - what sign.c and p12.c share. Inside cred/ only.
#pragma once

#include "cred/sign.h"
#include "cred/x509.h"

// Takes a reference of pkey if it succeeds. Errors as signer_read().
err_t signer_from_pkey(EVP_PKEY *pkey, struct signer **out, struct why *why);
EVP_PKEY *signer_pkey(const struct signer *s); // borrowed
