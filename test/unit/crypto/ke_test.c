#include "crypto/ke.h"

#include <string.h>

#include "crypto/alg.h"
#include "crypto/ke_kind.h"
#include "test/check.h"
#include "test/unit/crypto/vectors.h"

static const struct {
    uint16_t method, public_len, shared_len;
} methods[] = {
    {KE_X25519, 32, 32},          {KE_ECP_256, 64, 32},
    {KE_ECP_384, 96, 48},         {KE_ECP_521, 132, 66},
    {KE_MODP_2048, 256, 256},     {KE_MODP_3072, 384, 384},
    {KE_MODP_4096, 512, 512},     {KE_MODP_6144, 768, 768},
    {KE_MODP_8192, 1024, 1024},   {KE_X448, 56, 56},
    {KE_ECP_256_BP, 64, 32},      {KE_ECP_384_BP, 96, 48},
    {KE_ECP_512_BP, 128, 64},     {KE_MODP_768, 96, 96},
    {KE_MODP_1024, 128, 128},     {KE_MODP_1536, 192, 192},
    {KE_MODP_1024_160, 128, 128}, {KE_MODP_2048_224, 256, 256},
    {KE_MODP_2048_256, 256, 256}, {KE_ECP_192, 48, 24},
    {KE_ECP_224, 56, 28},         {KE_ECP_224_BP, 56, 28},
};
#define METHODS (sizeof methods / sizeof *methods)

// What a private value makes of a peer's: the secret, or the error.
static err_t agree(uint16_t method, span_t private, span_t peer, struct secret *shared)
{
    struct ke *ke;
    CHECK_OK(ke_from_private(method, private, &ke));
    err_t e = ke_finish(ke, peer, shared);
    ke_free(ke);
    return e;
}

static void both_sides_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        struct ke *ke;
        struct secret a = {0}, b = {0};
        uint8_t answer[KE_PUBLIC_MAX];
        size_t len = 0;
        CHECK(ke_known(methods[i].method));
        CHECK_OK(ke_new(methods[i].method, &ke));
        CHECK_EQ(ke_method(ke), methods[i].method);
        CHECK_EQ(ke_public(ke).len, methods[i].public_len);
        CHECK_OK(ke_answer(methods[i].method, ke_public(ke), answer, &len, &b));
        CHECK_EQ(len, methods[i].public_len);
        CHECK_OK(ke_finish(ke, span(answer, len), &a));
        CHECK_EQ(a.len, methods[i].shared_len);
        CHECK_EQ(b.len, a.len);
        CHECK(!memcmp(a.at, b.at, a.len));
        ke_free(ke);
        secret_done(&a);
        secret_done(&b);
    }
}

static void two_exchanges_differ(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        struct ke *a, *b;
        CHECK_OK(ke_new(methods[i].method, &a));
        CHECK_OK(ke_new(methods[i].method, &b));
        CHECK(!span_eq(ke_public(a), ke_public(b)));
        ke_free(a);
        ke_free(b);
    }
    ke_free(NULL);
}

static void unknown_methods_are_refused(void **state)
{
    (void)state;
    struct ke *ke = NULL;
    struct secret shared = {0};
    uint8_t answer[KE_PUBLIC_MAX];
    size_t len;
    static const uint16_t unknown[] = {0, 3, 4, 6, 13, 33, 34, 38, 65535};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        CHECK(!ke_known(unknown[i]));
        CHECK_EQ(ke_new(unknown[i], &ke), ERR_ALGORITHM);
        CHECK_EQ(ke_answer(unknown[i], span(answer, 32), answer, &len, &shared), ERR_ALGORITHM);
    }
}

static void values_of_the_wrong_length_are_refused(void **state)
{
    (void)state;
    static const uint8_t zeros[KE_PUBLIC_MAX];
    for (size_t i = 0; i < METHODS; i++) {
        struct ke *ke, *other;
        struct secret shared = {0};
        uint8_t longer[KE_PUBLIC_MAX] = {0};
        CHECK_OK(ke_new(methods[i].method, &ke));
        CHECK_OK(ke_new(methods[i].method, &other));
        span_t good = ke_public(other);
        memcpy(longer, good.at, good.len);
        for (size_t n = 0; n < good.len; n++) {
            CHECK_EQ(ke_finish(ke, span(good.at, n), &shared), ERR_SYNTAX);
        }
        CHECK_EQ(ke_finish(ke, span(longer, good.len + 1), &shared), ERR_SYNTAX);
        CHECK_EQ(ke_finish(ke, span(zeros, good.len), &shared), ERR_SYNTAX);
        CHECK_EQ(shared.len, 0);
        CHECK_OK(ke_finish(ke, good, &shared));
        ke_free(ke);
        ke_free(other);
        secret_done(&shared);
    }
}

// ---- ML-KEM: our own and OpenSSL's, where it has it ----

static const struct {
    uint16_t method, ek_len, ct_len;
} kems[] = {{KE_MLKEM_512, 800, 768}, {KE_MLKEM_768, 1184, 1088}, {KE_MLKEM_1024, 1568, 1568}};

static void kem_agrees(const struct ke_kind *ours, const struct ke_kind *theirs, unsigned i)
{
    struct ke ke = {.kind = ours, .method = kems[i].method};
    struct secret a = {0}, b = {0};
    uint8_t answer[KE_PUBLIC_MAX], longer[KE_PUBLIC_MAX + 1] = {0};
    size_t len = 0;
    CHECK_OK(ours->make(&ke));
    span_t ek = ke_public(&ke);
    CHECK_EQ(ek.len, kems[i].ek_len);
    CHECK_OK(theirs->answer(kems[i].method, ek, answer, &len, &b));
    CHECK_EQ(len, kems[i].ct_len);
    CHECK_OK(ours->finish(&ke, span(answer, len), &a));
    CHECK_EQ(a.len, 32);
    CHECK_EQ(b.len, 32);
    CHECK(!memcmp(a.at, b.at, a.len));

    // A changed ciphertext is answered with a secret that nobody has, not with an error.
    answer[len / 2] ^= 1;
    CHECK_OK(ours->finish(&ke, span(answer, len), &b));
    CHECK_EQ(b.len, 32);
    CHECK(memcmp(a.at, b.at, a.len) != 0);
    CHECK_EQ(ours->finish(&ke, span(answer, len - 1), &b), ERR_SYNTAX);
    CHECK_EQ(b.len, 0);
    memcpy(longer, ek.at, ek.len);
    CHECK_EQ(theirs->answer(kems[i].method, span(longer, ek.len + 1), answer, &len, &b),
             ERR_SYNTAX);
    CHECK_EQ(theirs->answer(kems[i].method, span(longer, ek.len - 1), answer, &len, &b),
             ERR_SYNTAX);
    memset(longer, 0xff, 3); // fips203 7.2: numbers that are not below q
    CHECK_EQ(theirs->answer(kems[i].method, span(longer, ek.len), answer, &len, &b), ERR_SYNTAX);
    CHECK_EQ(b.len, 0);
    ours->drop(&ke);
    secret_done(&a);
}

static void kems_agree_whoever_makes_them(void **state)
{
    (void)state;
    const struct ke_kind *const kinds[] = {&ke_mlkem, &ke_openssl_kem};
    for (unsigned i = 0; i < 3; i++) {
        CHECK(ke_known(kems[i].method));
        for (unsigned k = 0; k < 4; k++) {
            const struct ke_kind *ours = kinds[k / 2], *theirs = kinds[k % 2];
            if (!ours->can(kems[i].method) || !theirs->can(kems[i].method)) continue;
            kem_agrees(ours, theirs, i);
        }
    }
}

// ---- known answers ----

static bool rfc5903(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    uint16_t method = (uint16_t)vectors_int(test, "group");
    // rfc7296 3.4: generic header (4), method (2), reserved (2), then the value
    span_t i = vectors_hex(test, "KEi"), r = vectors_hex(test, "KEr");
    struct secret shared = {0};
    CHECK_OK(agree(method, vectors_hex(test, "i"), span(r.at + 8, r.len - 8), &shared));
    CHECK(span_eq(secret_span(&shared), vectors_hex(test, "girx")));
    CHECK_OK(agree(method, vectors_hex(test, "r"), span(i.at + 8, i.len - 8), &shared));
    CHECK(span_eq(secret_span(&shared), vectors_hex(test, "girx")));
    return true;
}

static bool rfc8031(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    struct secret shared = {0};
    CHECK_OK(agree(KE_X25519, vectors_hex(test, "random_i"), vectors_hex(test, "pub_r"), &shared));
    CHECK(span_eq(secret_span(&shared), vectors_hex(test, "shared")));
    CHECK_OK(agree(KE_X25519, vectors_hex(test, "fixed_r"), vectors_hex(test, "pub_i"), &shared));
    CHECK(span_eq(secret_span(&shared), vectors_hex(test, "shared")));
    return true;
}

static void the_examples_of_rfc_5903_and_8031(void **state)
{
    (void)state;
    const char *file = "rfc/ike_dh_ecdsa_rfc5903_8031_4754.json";
    vectors_each(file, json_object_get(vectors_json(file), "ecp"), rfc5903, NULL);
    vectors_each(file, json_object_get(vectors_json(file), "x25519"), rfc8031, NULL);
    vectors_done();
}

static bool rfc7748(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    struct secret shared = {0};
    CHECK_OK(
        agree(KE_X25519, vectors_hex(test, "INPUT_SCALAR"), vectors_hex(test, "INPUT_U"), &shared));
    CHECK(span_eq(secret_span(&shared), vectors_hex(test, "OUTPUT_U")));
    return true;
}

static void the_examples_of_rfc_7748(void **state)
{
    (void)state;
    vectors_blocks("nist/X25519_rfc7748.txt", rfc7748, NULL);
    vectors_done();
}

static bool rfc7027(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    uint16_t method = vectors_is(test, "curve", "brainpoolP256r1")   ? KE_ECP_256_BP
                      : vectors_is(test, "curve", "brainpoolP384r1") ? KE_ECP_384_BP
                                                                     : KE_ECP_512_BP;
    span_t x = vectors_hex(test, "x_qB"), y = vectors_hex(test, "y_qB");
    uint8_t peer[128];
    struct secret shared = {0};
    memcpy(peer, x.at, x.len);
    memcpy(peer + x.len, y.at, y.len);
    CHECK_OK(agree(method, vectors_hex(test, "dA"), span(peer, 2 * x.len), &shared));
    CHECK(span_eq(secret_span(&shared), vectors_hex(test, "x_Z")));
    peer[2 * x.len - 1] ^= 1; // off the curve
    CHECK_EQ(agree(method, vectors_hex(test, "dA"), span(peer, 2 * x.len), &shared), ERR_SYNTAX);
    return true;
}

static void the_examples_of_rfc_7027(void **state)
{
    (void)state;
    vectors_blocks("nist/ECDH_brainpool.txt", rfc7027, NULL);
    vectors_done();
}

// Points of small order and off the curve are in there; what has no answer must be refused.
static bool wycheproof(const void *ctx, const json_t *group, const json_t *test)
{
    (void)group;
    uint16_t method = *(const uint16_t *)ctx;
    static const uint8_t zeros[66];
    span_t peer = vectors_hex(test, "public"), want = vectors_hex(test, "shared");
    // In a KE payload a point has no 0x04 before it; other forms (0x02, 0x03) do not exist there
    // and are refused by their length.
    bool point = method != KE_X25519 && method != KE_X448 && peer.len > 0;
    bool good = !vectors_is(test, "result", "invalid") && !(point && peer.at[0] != 4);
    if (want.len && span_eq(want, span(zeros, want.len))) good = false; // rfc8031 2.2
    if (point) peer = span(peer.at + 1, peer.len - 1);
    struct secret shared = {0};
    CHECK_EQ(agree(method, vectors_hex(test, "private"), peer, &shared),
             good ? ERR_OK : ERR_SYNTAX);
    CHECK_EQ(shared.len, good ? want.len : 0);
    if (good) CHECK(span_eq(secret_span(&shared), want));
    return true;
}

static void the_cases_of_wycheproof(void **state)
{
    (void)state;
    static const struct {
        uint16_t method;
        const char *file;
    } files[] = {
        {KE_X25519, "wycheproof/x25519_test.json"},
        {KE_X448, "wycheproof/x448_test.json"},
        {KE_ECP_256, "wycheproof/ecdh_secp256r1_ecpoint_test.json"},
        {KE_ECP_384, "wycheproof/ecdh_secp384r1_ecpoint_test.json"},
        {KE_ECP_521, "wycheproof/ecdh_secp521r1_ecpoint_test.json"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        vectors_wycheproof(files[i].file, wycheproof, &files[i].method);
        vectors_done();
    }
}

// ---- MODP ----

// What y gives with the private exponent 2.
static err_t modp_square(uint16_t method, span_t y, struct secret *shared)
{
    static const uint8_t two[] = {2};
    return agree(method, SPAN(two), y, shared);
}

static bool modp(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    uint16_t method = (uint16_t)vectors_int(test, "group");
    span_t p = vectors_hex(test, "prime");
    if (!ke_known(method)) return false;
    uint8_t y[1024] = {0};
    struct secret shared = {0};

    // rfc6989 2.1: 0, 1, p - 1 and all that is not below p
    CHECK_EQ(modp_square(method, span(y, p.len), &shared), ERR_SYNTAX);
    y[p.len - 1] = 1;
    CHECK_EQ(modp_square(method, span(y, p.len), &shared), ERR_SYNTAX);
    memcpy(y, p.at, p.len);
    CHECK_EQ(modp_square(method, span(y, p.len), &shared), ERR_SYNTAX);
    y[p.len - 1]--; // p is odd
    CHECK_EQ(modp_square(method, span(y, p.len), &shared), ERR_SYNTAX);
    memset(y, 0xff, p.len);
    CHECK_EQ(modp_square(method, span(y, p.len), &shared), ERR_SYNTAX);

    // A small secret is as long as the prime all the same.
    memset(y, 0, p.len);
    y[p.len - 1] = 4;
    CHECK_OK(modp_square(method, span(y, p.len), &shared));
    CHECK_EQ(shared.len, p.len);
    memset(y, 0, p.len);
    y[p.len - 1] = 16;
    CHECK(!memcmp(shared.at, y, p.len));

    // (2^(n/2))^2 mod p = 2^n - p: the two's complement of the prime shows which prime it is.
    memset(y, 0, p.len);
    y[p.len / 2 - 1] = 1;
    CHECK_OK(modp_square(method, span(y, p.len), &shared));
    for (size_t i = 0; i < p.len; i++) y[i] = (uint8_t)~p.at[i];
    y[p.len - 1]++; // p ends in ff
    CHECK(!memcmp(shared.at, y, p.len));
    secret_done(&shared);
    return true;
}

static void modp_groups_are_those_of_rfc_3526(void **state)
{
    (void)state;
    const char *file = "rfc/modp_primes_rfc3526.json";
    vectors_each(file, json_object_get(vectors_json(file), "groups"), modp, NULL);
    vectors_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_agree),
        cmocka_unit_test(two_exchanges_differ),
        cmocka_unit_test(unknown_methods_are_refused),
        cmocka_unit_test(values_of_the_wrong_length_are_refused),
        cmocka_unit_test(kems_agree_whoever_makes_them),
        cmocka_unit_test(the_examples_of_rfc_5903_and_8031),
        cmocka_unit_test(the_examples_of_rfc_7748),
        cmocka_unit_test(the_examples_of_rfc_7027),
        cmocka_unit_test(the_cases_of_wycheproof),
        cmocka_unit_test(modp_groups_are_those_of_rfc_3526),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
