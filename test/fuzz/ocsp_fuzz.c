// Answers of OCSP responders: a certificate, its issuer, and the answer about it.
#include <assert.h>
#include <string.h>

#include "cred/trustx.h"
#include "test/fuzz/der_parts.h"

#define NOW 1800000000

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

static void judge(struct cert *cert, struct cert *issuer, span_t answer)
{
    struct trust *t = trust_new();
    struct trust_terms terms = {0};
    struct walk w = {.t = t, .terms = &terms, .now = NOW};
    struct status s = {0};
    w.chain.cert[w.chain.n++] = cert;
    w.chain.cert[w.chain.n++] = issuer;
    if (ocsp_judge(&w, 0, answer, NULL, &s) == ERR_OK)
        assert(s.state != REVOKE_UNKNOWN);
    else
        assert(s.state == REVOKE_UNKNOWN && s.why.text[0]);
    trust_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    span_t left = span(in, n);
    struct cert *cert = NULL, *issuer = NULL;
    if (cert_read(der_part(&left), &cert, NULL) == ERR_OK &&
        cert_read(der_part(&left), &issuer, NULL) == ERR_OK) {
        judge(cert, issuer, left);
    }
    cert_free(cert);
    cert_free(issuer);
    return 0;
}
