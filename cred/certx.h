// certx.h - the OpenSSL side of a certificate, for trust and revocation. Inside cred/ only.
#pragma once

#include "cred/cert.h"
#include "cred/x509.h"

X509 *cert_x509(const struct cert *c); // borrowed
// Another certificate of a chain: takes a reference of x. Errors as cert_read().
err_t cert_from_x509(X509 *x, struct cert **out, struct why *why);
// Seconds since 1970. ERR_SYNTAX.
err_t time_from_asn1(const ASN1_TIME *t, int64_t *out);
