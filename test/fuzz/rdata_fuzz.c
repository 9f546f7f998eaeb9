// Records of DNS that say keys: a byte of which type, then the data.
#include <assert.h>

#include "cred/cert.h"
#include "cred/rdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

static void key(span_t rdata)
{
    struct ipseckey k;
    struct pubkey *out = NULL;
    struct why why = {""};
    if (ipseckey_read(rdata, &k) != ERR_OK) return;
    assert(3 + k.gateway.len + k.key.len == rdata.len);
    if (ipseckey_pubkey(&k, &out, &why) == ERR_OK)
        assert(pubkey_bits(out) > 0);
    else
        assert(!out && why.text[0]);
    pubkey_free(out);
}

static void certificate(span_t rdata)
{
    struct cert_rr rr;
    struct cert *out = NULL;
    if (cert_rr_read(rdata, &rr) != ERR_OK) return;
    assert(5 + rr.data.len == rdata.len);
    if (rr.type == CERT_RR_PKIX && cert_read(rr.data, &out, NULL) == ERR_OK)
        assert(cert_pubkey(out));
    cert_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    if (n == 0) return 0;
    if (in[0] == RDATA_CERT)
        certificate(span(in + 1, n - 1));
    else
        key(span(in + 1, n - 1));
    return 0;
}
