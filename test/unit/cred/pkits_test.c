// NIST's Public Key Interoperability Test Suite: 203 certificates whose names say whether a path to
// the trust anchor is valid, with revocation, policies and name constraints.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cred/certx.h"
#include "cred/trust.h"
#include "test/check.h"
#include "test/unit/cred/mint.h"

#define FILES_MAX 600

struct entry {
    char name[80];
    span_t bytes;
    struct cert *cert; // NULL: a CRL, or a key that we do not take
};

static uint8_t pack[1 << 20];
static struct entry entries[FILES_MAX];
static unsigned n_entries;

static void entries_load(void)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/pkits/pkits.pack", getenv("VECTORS"));
    FILE *f = fopen(path, "rb");
    CHECK(f != NULL);
    rd_t r = rd_from(span(pack, fread(pack, 1, sizeof pack, f)));
    (void)fclose(f);
    while (rd_left(&r) > 0) {
        struct entry *e = &entries[n_entries++];
        uint16_t n = rd_u16(&r), len = rd_u16(&r);
        CHECK(n < sizeof e->name && n_entries < FILES_MAX);
        rd_copy(&r, e->name, n);
        e->bytes = rd_bytes(&r, len);
        if (!strcmp(e->name + n - 4, ".crt")) IGNORE(cert_read(e->bytes, &e->cert, NULL)); // DSA
    }
    CHECK_OK(rd_done(&r));
}

static bool ends(const char *s, const char *end)
{
    return strlen(s) >= strlen(end) && !strcmp(s + strlen(s) - strlen(end), end);
}

static struct trust *store_fill(void)
{
    struct trust *t = trust_new();
    for (unsigned i = 0; i < n_entries; i++) {
        const struct entry *e = &entries[i];
        struct why why;
        if (ends(e->name, ".crl")) IGNORE(trust_add_crl(t, e->bytes, &why)); // some are broken
        if (!e->cert || ends(e->name, "EE.crt")) continue;
        if (cert_is_self_signed(e->cert) != !strcmp(e->name, "TrustAnchorRootCertificate.crt"))
            continue;
        IGNORE(trust_add_ca(t, e->cert, &why)); // some are none, on purpose
    }
    return t;
}

static bool signs_crls_only(const char *name)
{
    return ends(name, "cRLIssuerCert.crt");
}

// The certificate and all that may stand above it by name, as a peer would send it; and who signs
// CRLs for others.
static unsigned chain_gather(struct cert *leaf, struct cert **chain)
{
    unsigned n = 1;
    chain[0] = leaf;
    for (unsigned k = 0; k < n_entries; k++) {
        if (entries[k].cert && signs_crls_only(entries[k].name)) chain[n++] = entries[k].cert;
    }
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < n_entries && n < TRUST_PEER_CERTS_MAX; k++) {
            struct cert *c = entries[k].cert;
            bool known = !c || ends(entries[k].name, "EE.crt");
            for (unsigned j = 0; j < n && !known; j++) known = cert_eq(chain[j], c);
            if (known || X509_NAME_cmp(X509_get_issuer_name(cert_x509(chain[i])),
                                       X509_get_subject_name(cert_x509(c))) != 0)
                continue;
            chain[n++] = c;
        }
    }
    return n;
}

static err_t judge(const struct trust *t, const struct entry *e, const struct trust_terms *terms,
                   struct why *why)
{
    struct cert *chain[TRUST_PEER_CERTS_MAX];
    if (!e->cert) return ERR_UNSUPPORTED;
    unsigned n = chain_gather(e->cert, chain);
    return trust_verify(t, chain, n, terms, MINT_NOW, NULL, why);
}

// Names that do not say it: what PKITS 4.8 and 4.12 say where any policy will do.
static bool expected(const char *name)
{
    static const char *const refused[] = {
        "DifferentPoliciesTest4EE.crt",
        "DifferentPoliciesTest5EE.crt",
        "DifferentPoliciesTest7EE.crt",
        "DifferentPoliciesTest8EE.crt",
        "DifferentPoliciesTest9EE.crt",
        "DifferentPoliciesTest12EE.crt",
        "ValidDSASignaturesTest4EE.crt",
        "ValidDSAParameterInheritanceTest5EE.crt", // no DSA in IKE
        // The CRL that speaks for the CRL's signer is its own: OpenSSL does not go in circles.
        "ValidcRLIssuerTest30EE.crt",
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (!strcmp(name, refused[i])) return false;
    }
    return strncmp(name, "Invalid", 7) != 0;
}

static void every_verdict_is_nists(void **state)
{
    (void)state;
    struct trust *t = store_fill();
    struct trust_terms terms = {.revocation = REVOCATION_STRICT};
    unsigned valid = 0, invalid = 0, wrong = 0;
    for (unsigned i = 0; i < n_entries; i++) {
        struct entry *e = &entries[i];
        struct why why = {""};
        if (!ends(e->name, "EE.crt")) continue;
        bool good = expected(e->name);
        err_t err = judge(t, e, &terms, &why);
        valid += good;
        invalid += !good;
        if ((err == ERR_OK) == good) continue;
        wrong++;
        print_error("%s: %s %s\n", e->name, err_text(err), why.text);
    }
    trust_free(t);
    print_message("# %u valid, %u invalid\n", valid, invalid);
    CHECK_EQ(wrong, 0);
}

#define POLICY(n) "2.16.840.1.101.3.2.1.48." #n

// PKITS 4.8, 4.10 with a policy asked for.
static void policies_are_nists(void **state)
{
    (void)state;
    static const struct {
        const char *name, *policy;
        bool good;
    } want[] = {
        {"ValidCertificatePathTest1EE.crt", POLICY(1), true},
        {"ValidCertificatePathTest1EE.crt", POLICY(2), false},
        {"AllCertificatesNoPoliciesTest2EE.crt", POLICY(1), false},
        {"DifferentPoliciesTest3EE.crt", POLICY(1), false},
        {"OverlappingPoliciesTest6EE.crt", POLICY(1), true},
        {"OverlappingPoliciesTest6EE.crt", POLICY(2), false},
        {"AllCertificatesSamePoliciesTest10EE.crt", POLICY(1), true},
        {"AllCertificatesSamePoliciesTest10EE.crt", POLICY(2), true},
        {"AllCertificatesanyPolicyTest11EE.crt", POLICY(1), true},
        {"AllCertificatesSamePoliciesTest13EE.crt", POLICY(3), true},
        {"AnyPolicyTest14EE.crt", POLICY(1), true},
        {"AnyPolicyTest14EE.crt", POLICY(2), false},
        {"ValidPolicyMappingTest1EE.crt", POLICY(1), true},
        {"ValidPolicyMappingTest1EE.crt", POLICY(2), false},
        {"ValidPolicyMappingTest3EE.crt", POLICY(1), false},
        {"ValidPolicyMappingTest3EE.crt", POLICY(2), true},
        {"ValidPolicyMappingTest6EE.crt", POLICY(1), true},
        {"ValidPolicyMappingTest6EE.crt", POLICY(2), false},
    };
    struct trust *t = store_fill();
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct trust_terms terms = {
            .revocation = REVOCATION_STRICT, .policies = &want[i].policy, .n_policies = 1};
        unsigned k = 0;
        struct why why = {""};
        while (k < n_entries && strcmp(entries[k].name, want[i].name) != 0) k++;
        CHECK(k < n_entries);
        if ((judge(t, &entries[k], &terms, &why) == ERR_OK) != want[i].good) {
            print_error("%s %s: %s\n", want[i].name, want[i].policy, why.text);
            CHECK(false);
        }
    }
    trust_free(t);
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_entries; i++) cert_free(entries[i].cert);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verdict_is_nists),
        cmocka_unit_test(policies_are_nists),
    };
    entries_load();
    return cmocka_run_group_tests(tests, NULL, teardown);
}
