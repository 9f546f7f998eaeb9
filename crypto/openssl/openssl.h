// openssl.h - OpenSSL's headers, for crypto/openssl/ and cred/.
#pragma once

#include "base/err.h"

// OpenSSL has a type of the name of one of our errors; here it goes by another.
#define ERR_STATE OPENSSL_ERR_STATE

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#undef ERR_STATE
