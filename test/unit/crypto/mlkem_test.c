#include "crypto/mlkem/mlkem.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/mlkem/poly.h"
#include "crypto/mlkem/shake4.h"
#include "test/check.h"
#include "test/unit/crypto/vectors.h"

static const struct mlkem *set_of(const json_t *group)
{
    const char *name = vectors_str(group, "parameterSet"); // "ML-KEM-768"
    const struct mlkem *p = mlkem_of((unsigned)atoi(name + 7));
    CHECK(p);
    return p;
}

// ---- NIST ACVP ----

static bool acvp_keygen(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx;
    const struct mlkem *p = set_of(group);
    uint8_t ek[MLKEM_EK_MAX], dk[MLKEM_DK_MAX];
    mlkem_keygen(p, vectors_hex(test, "d").at, vectors_hex(test, "z").at, ek, dk);
    CHECK(span_eq(span(ek, p->ek_len), vectors_hex(test, "ek")));
    CHECK(span_eq(span(dk, p->dk_len), vectors_hex(test, "dk")));
    return true;
}

static bool acvp_use(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx;
    const struct mlkem *p = set_of(group);
    span_t ct = vectors_hex(test, "c"), k = vectors_hex(test, "k");
    uint8_t made[MLKEM_CT_MAX], shared[MLKEM_SHARED];
    if (vectors_is(group, "function", "encapsulation")) {
        span_t ek = vectors_hex(test, "ek");
        CHECK_OK(mlkem_encaps(p, ek.at, ek.len, vectors_hex(test, "m").at, made, shared));
        CHECK(span_eq(span(made, p->ct_len), ct));
        CHECK(span_eq(span(shared, MLKEM_SHARED), k));
        group = test;
    }
    CHECK_OK(mlkem_decaps(p, vectors_hex(group, "dk").at, ct.at, ct.len, shared));
    CHECK(span_eq(span(shared, MLKEM_SHARED), k));
    return true;
}

static void the_cases_of_nist(void **state)
{
    (void)state;
    vectors_wycheproof("nist/mlkem-key-gen.json", acvp_keygen, NULL);
    vectors_wycheproof("nist/mlkem-encap-decap.json", acvp_use, NULL);
    vectors_done();
}

// ---- Wycheproof ----

static bool wycheproof_encaps(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx;
    const struct mlkem *p = set_of(group);
    span_t ek = vectors_hex(test, "ek"), m = vectors_hex(test, "m");
    bool good = vectors_is(test, "result", "valid");
    uint8_t ct[MLKEM_CT_MAX], shared[MLKEM_SHARED];
    if (m.len != MLKEM_SEED) return false;
    CHECK_EQ(mlkem_encaps(p, ek.at, ek.len, m.at, ct, shared), good ? ERR_OK : ERR_SYNTAX);
    if (!good) return true;
    CHECK(span_eq(span(ct, p->ct_len), vectors_hex(test, "c")));
    CHECK(span_eq(span(shared, MLKEM_SHARED), vectors_hex(test, "K")));
    return true;
}

static bool wycheproof_decaps(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx;
    const struct mlkem *p = set_of(group);
    span_t seed = vectors_hex(test, "seed"), ct = vectors_hex(test, "c");
    bool good = vectors_is(test, "result", "valid");
    uint8_t ek[MLKEM_EK_MAX], dk[MLKEM_DK_MAX], shared[MLKEM_SHARED];
    if (seed.len != 2 * MLKEM_SEED) return false;
    mlkem_keygen(p, seed.at, seed.at + MLKEM_SEED, ek, dk);
    CHECK_EQ(mlkem_decaps(p, dk, ct.at, ct.len, shared), good ? ERR_OK : ERR_SYNTAX);
    if (!good) return true;
    CHECK(span_eq(span(ek, p->ek_len), vectors_hex(test, "ek")));
    CHECK(span_eq(span(shared, MLKEM_SHARED), vectors_hex(test, "K")));
    return true;
}

static void the_cases_of_wycheproof(void **state)
{
    (void)state;
    vectors_wycheproof("wycheproof/mlkem_768_test.json", wycheproof_decaps, NULL);
    vectors_wycheproof("wycheproof/mlkem_768_encaps_test.json", wycheproof_encaps, NULL);
    vectors_done();
}

// ---- the parts ----

// Compress and Decompress against the definition in whole numbers.
static void rounding_is_exact_for_every_coefficient(void **state)
{
    (void)state;
    static const unsigned widths[] = {1, 4, 5, 10, 11};
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        unsigned bits = widths[w];
        for (unsigned first = 0; first < MLKEM_Q; first += MLKEM_N) {
            struct poly p, back;
            uint8_t bytes[32 * 11];
            for (unsigned i = 0; i < MLKEM_N; i++) p.c[i] = (int16_t)((first + i) % MLKEM_Q);
            poly_compress(&p, bits, bytes);
            poly_decompress(&back, bits, bytes);
            for (unsigned i = 0; i < MLKEM_N; i++) {
                unsigned x = (unsigned)p.c[i];
                unsigned y = ((x << (bits + 1)) + MLKEM_Q) / (2 * MLKEM_Q) & ((1U << bits) - 1);
                CHECK_EQ(back.c[i], ((y * MLKEM_Q << 1) + (1U << bits)) >> (bits + 1));
            }
        }
    }
}

// X^i * X^j, where X^256 = -1.
static void products_are_those_of_the_ring(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MLKEM_N; i += 7) {
        for (unsigned j = 0; j < MLKEM_N; j += 5) {
            struct poly a = {0}, b = {0}, sum = {0};
            a.c[i] = 1;
            b.c[j] = 3;
            poly_ntt(&a);
            poly_ntt(&b);
            poly_multiply_add(&sum, &a, &b);
            poly_reduce(&sum);
            poly_ntt_inverse(&sum);
            for (unsigned n = 0; n < MLKEM_N; n++) {
                int want = n == (i + j) % MLKEM_N ? (i + j < MLKEM_N ? 3 : -3) : 0;
                CHECK_EQ(sum.c[n], want);
            }
        }
    }
}

static void hashes_are_those_of_fips_202(void **state)
{
    (void)state;
    static const uint8_t abc256[] = {0x3a, 0x98, 0x5d, 0xa7, 0x4f, 0xe2, 0x25, 0xb2};
    static const uint8_t abc512[] = {0xb7, 0x51, 0x85, 0x0b, 0x1a, 0x57, 0x16, 0x8a};
    static const uint8_t empty[] = {0x46, 0xb9, 0xdd, 0x2b, 0x0b, 0xa8, 0x8d, 0x13};
    uint8_t out[64];
    span_t parts[] = {span("a", 1), span("", 0), span("bc", 2)};
    sha3_256(parts, 3, out);
    CHECK(!memcmp(out, abc256, sizeof abc256));
    sha3_512(parts, 3, out);
    CHECK(!memcmp(out, abc512, sizeof abc512));
    shake256(parts, 0, out);
    CHECK(!memcmp(out, empty, sizeof empty));
}

static void the_sets_are_those_of_fips_203(void **state)
{
    (void)state;
    CHECK(!mlkem_of(0) && !mlkem_of(256) && !mlkem_of(2048));
    for (unsigned bits = 512; bits <= 1024; bits += 256) {
        const struct mlkem *p = mlkem_of(bits);
        CHECK_EQ(p->k, bits / 256);
        CHECK_EQ(p->ek_len, 384 * p->k + 32);
        CHECK_EQ(p->dk_len, 768 * p->k + 96);
        CHECK_EQ(p->ct_len, 32 * (p->du * p->k + p->dv));
        CHECK(p->ek_len <= MLKEM_EK_MAX && p->dk_len <= MLKEM_DK_MAX && p->ct_len <= MLKEM_CT_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cases_of_nist),
        cmocka_unit_test(the_cases_of_wycheproof),
        cmocka_unit_test(rounding_is_exact_for_every_coefficient),
        cmocka_unit_test(products_are_those_of_the_ring),
        cmocka_unit_test(hashes_are_those_of_fips_202),
        cmocka_unit_test(the_sets_are_those_of_fips_203),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
