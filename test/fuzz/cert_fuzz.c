// Certificates as a peer sends them: the first is its own, the last an anchor, those between help.
// Each is read and looked at in every way, and the chain is judged.
#include <assert.h>
#include <string.h>

#include "cred/trust.h"
#include "test/fuzz/der_parts.h"

#define NOW 1790000000

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

static void look(struct cert *c)
{
    char name[CERT_NAME_MAX], serial[CERT_SERIAL_MAX], key[PUBKEY_TEXT_MAX], id[ID_TEXT_MAX];
    struct cert *again = NULL;
    struct id nobody = {.type = ID_DER_ASN1_GN, .len = 3, .data = {0x82, 1, 'x'}};
    assert(strlen(cert_name(c, name)) < sizeof name);
    assert(strlen(cert_serial(c, serial)) < sizeof serial);
    assert(strlen(pubkey_show(cert_pubkey(c), key)) < sizeof key);
    for (unsigned i = 0; i < cert_id_count(c); i++) {
        assert(cert_has_id(c, cert_id_at(c, i)));
        assert(strlen(id_show(cert_id_at(c, i), id)) < sizeof id);
    }
    (void)cert_match(c, &nobody);
    assert(cert_read(cert_der(c), &again, NULL) == ERR_OK);
    cert_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    span_t left = span(in, n);
    struct cert *chain[TRUST_PEER_CERTS_MAX];
    struct trust *t = trust_new();
    static const char *const policies[] = {"2.16.840.1.101.3.2.1.48.1"};
    struct trust_terms terms = {.policies = policies};
    struct why why;
    unsigned count = 0;
    while (left.len > 0 && count < TRUST_PEER_CERTS_MAX) {
        if (cert_read(der_part(&left), &chain[count], &why) != ERR_OK) continue;
        look(chain[count++]);
    }
    if (count > 0) IGNORE(trust_add_ca(t, chain[count - 1], &why)); // it may be none
    for (terms.n_policies = 0; terms.n_policies < 2; terms.n_policies++) {
        struct trust_chain found = {0};
        if (trust_verify(t, chain, count, &terms, NOW, &found, &why) == ERR_OK)
            assert(found.n > 0 && found.cert[0] == chain[0]);
        else
            assert(strlen(why.text) < sizeof why.text);
        trust_chain_done(&found);
    }
    for (unsigned i = 0; i < count; i++) cert_free(chain[i]);
    trust_free(t);
    return 0;
}
