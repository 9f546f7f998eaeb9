// Certificate revocation lists: a chain of certificates, anchor last, and behind it lists, of which
// the strictest question is asked.
#include <string.h>

#include "cred/trust.h"
#include "test/fuzz/der_parts.h"

#define NOW 1790000000

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    span_t left = span(in, n);
    struct cert *chain[TRUST_PEER_CERTS_MAX];
    struct trust *t = trust_new();
    struct trust_terms terms = {.revocation = REVOCATION_STRICT};
    struct why why;
    unsigned count = 0, lists = 0;
    while (left.len > 0) {
        span_t part = der_part(&left);
        if (count < TRUST_PEER_CERTS_MAX && cert_read(part, &chain[count], &why) == ERR_OK)
            count++;
        else if (lists < 8 && trust_add_crl(t, part, &why) == ERR_OK)
            lists++;
    }
    if (count > 0) IGNORE(trust_add_ca(t, chain[count - 1], &why)); // it may be none
    IGNORE(trust_verify(t, chain, count, &terms, NOW, NULL, &why)); // either verdict will do
    for (unsigned i = 0; i < count; i++) cert_free(chain[i]);
    trust_free(t);
    return 0;
}
