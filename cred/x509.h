// x509.h - OpenSSL's headers for certificates and keys, for cred/ only.
#pragma once

#include "crypto/openssl/openssl.h"

#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
