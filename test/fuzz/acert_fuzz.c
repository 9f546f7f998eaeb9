// An attribute certificate as a peer sends it: read, and looked at in every way. A second element
// is a certificate that it may speak of, or that may have issued it.
#include <assert.h>
#include <string.h>

#include "cred/acert.h"
#include "cred/trust.h"
#include "test/fuzz/der_parts.h"

#define NOW 1790000000

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

static void look(struct acert *a, span_t in)
{
    char name[ACERT_NAME_MAX];
    struct acert *again = NULL;
    assert(span_eq(acert_der(a), in)); // nothing behind it, and nothing left out
    assert(strlen(acert_name(a, name)) < sizeof name);
    assert(acert_serial(a).len > 0 && acert_issuer(a).len > 0);
    assert(!acert_critical(a) || strlen(acert_critical(a)) < CERT_OID_MAX);
    (void)acert_has_group(a, "sales");
    (void)acert_is_final(a);
    (void)acert_has_list(a);
    assert(acert_read(acert_der(a), &again, NULL) == ERR_OK);
    acert_free(again);
}

static void judge(struct acert *a, struct cert *c)
{
    static const char *const groups[] = {"sales"};
    struct trust *t = trust_new();
    struct acert *const sent[] = {a};
    struct trust_terms terms = {.groups = groups, .n_groups = 1, .acerts = sent, .n_acerts = 1};
    struct why why = {""};
    (void)acert_is_of(a, c);
    (void)acert_is_issued_by(a, c, NULL);
    IGNORE(trust_add_cert(t, c));     // believed, so that groups are all that is missing
    IGNORE(trust_add_aa(t, c, &why)); // it may be an authority's
    err_t e = trust_verify(t, &c, 1, &terms, NOW, NULL, &why);
    // Only what names this certificate, says the group and is signed with its key opens the door.
    if (e == ERR_OK)
        assert(acert_is_of(a, c) && acert_has_group(a, "sales") && acert_is_issued_by(a, c, NULL));
    trust_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    span_t left = span(in, n);
    struct acert *a;
    struct cert *c;
    struct why why;
    span_t first = der_part(&left);
    if (first.len == 0 || first.at[0] != 0x30) return 0;
    if (acert_read(first, &a, &why) != ERR_OK) return 0;
    look(a, first);
    if (left.len > 0 && cert_read(der_part(&left), &c, &why) == ERR_OK) {
        judge(a, c);
        cert_free(c);
    }
    acert_free(a);
    return 0;
}
