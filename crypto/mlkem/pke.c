#include "crypto/mlkem/pke.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/mlkem/poly.h"
#include "crypto/mlkem/shake4.h"

#define ETA2 2

struct vector {
    struct poly e[PKE_K_MAX];
};
struct matrix {
    struct poly e[PKE_K_MAX][PKE_K_MAX];
};

// ---- the public matrix (algorithm 7, SampleNTT) ----

struct sample {
    unsigned n;
    int16_t c[MLKEM_N + 2]; // in order, and room for the pair that comes last
};

// Takes candidates of twelve bits. Each is written and the good ones stay: the processor cannot
// guess which they are.
static void sample_take(struct sample *s, const uint8_t *bytes, unsigned len)
{
    for (unsigned i = 0; i + 3 <= len && s->n < MLKEM_N; i += 3) {
        unsigned a = bytes[i] | (bytes[i + 1] & 0xfU) << 8;
        unsigned b = bytes[i + 1] >> 4 | (unsigned)bytes[i + 2] << 4;
        s->c[s->n] = (int16_t)a;
        s->n += a < MLKEM_Q;
        s->c[s->n] = (int16_t)b;
        s->n += b < MLKEM_Q;
    }
}

// Four entries at a time from rho and their column and row; it ends since the seed is public and
// SHAKE does not starve it.
static void sample_four(struct poly *const out[4], uint8_t seed[4][PKE_SEED + 2])
{
    const uint8_t *in[4] = {seed[0], seed[1], seed[2], seed[3]};
    uint8_t block[4][SHAKE_RATE_MAX];
    struct sample sample[4];
    struct shake4 s;
    unsigned full = 0;
    for (unsigned i = 0; i < 4; i++) sample[i].n = 0;
    shake4_absorb(&s, SHAKE128_RATE, in, PKE_SEED + 2);
    while (full < 4) {
        full = 0;
        shake4_squeeze(&s, block);
        for (unsigned i = 0; i < 4; i++) {
            sample_take(&sample[i], block[i], SHAKE128_RATE);
            full += sample[i].n >= MLKEM_N;
        }
    }
    for (unsigned i = 0; i < 4; i++) poly_place_all(out[i], sample[i].c);
}

static void matrix_sample(const struct mlkem *p, const uint8_t rho[32], bool transposed,
                          struct matrix *a)
{
    struct poly spare; // what the last four have too many
    for (unsigned first = 0; first < p->k * p->k; first += 4) {
        uint8_t seed[4][PKE_SEED + 2];
        struct poly *out[4];
        for (unsigned i = 0; i < 4; i++) {
            unsigned at = first + i, row = at / p->k, column = at % p->k;
            out[i] = at < p->k * p->k ? &a->e[row][column] : &spare;
            memcpy(seed[i], rho, PKE_SEED);
            seed[i][PKE_SEED] = (uint8_t)(transposed ? row : column);
            seed[i][PKE_SEED + 1] = (uint8_t)(transposed ? column : row);
        }
        sample_four(out, seed);
    }
}

// ---- noise ----

// Up to four polynomials of noise, numbered from `nonce` upwards.
static void noise_four(struct poly *const out[4], const uint8_t seed[PKE_SEED], unsigned nonce,
                       unsigned eta)
{
    uint8_t numbered[4][PKE_SEED + 1], block[4][SHAKE_RATE_MAX], bytes[4][2 * SHAKE256_RATE];
    const uint8_t *in[4];
    struct shake4 s;
    for (unsigned i = 0; i < 4; i++) {
        memcpy(numbered[i], seed, PKE_SEED);
        numbered[i][PKE_SEED] = (uint8_t)(nonce + i);
        in[i] = numbered[i];
    }
    shake4_absorb(&s, SHAKE256_RATE, in, PKE_SEED + 1);
    for (unsigned done = 0; done < 64 * eta; done += SHAKE256_RATE) {
        shake4_squeeze(&s, block);
        for (unsigned i = 0; i < 4; i++) memcpy(bytes[i] + done, block[i], SHAKE256_RATE);
    }
    for (unsigned i = 0; i < 4; i++) {
        if (out[i]) poly_noise(out[i], bytes[i], eta);
    }
    wipe(&s, sizeof s);
    wipe(numbered, sizeof numbered);
    wipe(block, sizeof block);
    wipe(bytes, sizeof bytes);
}

// A vector of noise.
static void vector_noise(unsigned k, struct vector *v, const uint8_t seed[PKE_SEED], unsigned nonce,
                         unsigned eta)
{
    struct poly *out[4] = {NULL};
    for (unsigned i = 0; i < k; i++) out[i] = &v->e[i];
    noise_four(out, seed, nonce, eta);
}

// ---- vectors ----

static void vector_ntt(unsigned k, struct vector *v)
{
    for (unsigned i = 0; i < k; i++) poly_ntt(&v->e[i]);
}

static void inner_product(unsigned k, struct poly *out, const struct poly *a, const struct poly *b)
{
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < k; i++) poly_multiply_add(out, &a[i], &b[i]);
    poly_reduce(out);
}

void pke_keygen(const struct mlkem *p, const uint8_t d[PKE_SEED], uint8_t *ek, uint8_t *dk)
{
    struct matrix a;
    struct vector s, e;
    struct poly t;
    uint8_t seeds[2 * PKE_SEED]; // rho, which everybody may know, and sigma
    const uint8_t k = (uint8_t)p->k;
    sha3_512((span_t[]){span(d, PKE_SEED), span(&k, 1)}, 2, seeds);
    matrix_sample(p, seeds, false, &a);
    vector_noise(p->k, &s, seeds + PKE_SEED, 0, p->eta1);
    vector_noise(p->k, &e, seeds + PKE_SEED, p->k, p->eta1);
    vector_ntt(p->k, &s);
    vector_ntt(p->k, &e);
    for (unsigned i = 0; i < p->k; i++) {
        inner_product(p->k, &t, a.e[i], s.e);
        poly_montgomery(&t);
        poly_add(&t, &e.e[i]);
        poly_reduce(&t);
        poly_encode(&t, ek + i * POLY_BYTES);
        poly_encode(&s.e[i], dk + i * POLY_BYTES);
    }
    memcpy(ek + p->k * POLY_BYTES, seeds, PKE_SEED);
    wipe(seeds, sizeof seeds);
    wipe(&s, sizeof s);
    wipe(&e, sizeof e);
    wipe(&t, sizeof t);
}

// What encryption draws from r: y, e1 and e2.
struct draws {
    struct vector y, e1;
    struct poly e2;
};

static void draws_make(const struct mlkem *p, const uint8_t r[PKE_SEED], struct draws *d)
{
    struct poly *last[4] = {&d->e2};
    vector_noise(p->k, &d->y, r, 0, p->eta1);
    if (p->k == PKE_K_MAX) {
        vector_noise(p->k, &d->e1, r, p->k, ETA2);
        noise_four(last, r, 2U * p->k, ETA2);
        return;
    }
    for (unsigned i = 0; i < p->k; i++) last[i] = &d->e1.e[i];
    last[p->k] = &d->e2;
    noise_four(last, r, p->k, ETA2);
}

static err_t key_decode(const struct mlkem *p, const uint8_t *ek, struct vector *t)
{
    unsigned over = 0;
    for (unsigned i = 0; i < p->k; i++) over |= poly_decode(&t->e[i], ek + i * POLY_BYTES);
    return over ? ERR_SYNTAX : ERR_OK;
}

err_t pke_encrypt(const struct mlkem *p, const uint8_t *ek, const uint8_t m[32],
                  const uint8_t r[PKE_SEED], uint8_t *ct)
{
    struct matrix a;
    struct vector t;
    struct draws d;
    struct poly u, v, mu;
    TRY(key_decode(p, ek, &t));
    matrix_sample(p, ek + p->k * POLY_BYTES, true, &a);
    draws_make(p, r, &d);
    vector_ntt(p->k, &d.y);
    for (unsigned i = 0; i < p->k; i++, ct += 32 * p->du) {
        inner_product(p->k, &u, a.e[i], d.y.e);
        poly_ntt_inverse(&u);
        poly_add(&u, &d.e1.e[i]);
        poly_reduce(&u);
        poly_compress(&u, p->du, ct);
    }
    poly_decompress(&mu, 1, m);
    inner_product(p->k, &v, t.e, d.y.e);
    poly_ntt_inverse(&v);
    poly_add(&v, &d.e2);
    poly_add(&v, &mu);
    poly_reduce(&v);
    poly_compress(&v, p->dv, ct);
    wipe(&d, sizeof d);
    wipe(&mu, sizeof mu);
    wipe(&u, sizeof u);
    wipe(&v, sizeof v);
    return ERR_OK;
}

void pke_decrypt(const struct mlkem *p, const uint8_t *dk, const uint8_t *ct, uint8_t m[32])
{
    struct vector s, u;
    struct poly v, w;
    for (unsigned i = 0; i < p->k; i++, ct += 32 * p->du) {
        poly_decompress(&u.e[i], p->du, ct);
        (void)poly_decode(&s.e[i], dk + i * POLY_BYTES);
    }
    vector_ntt(p->k, &u);
    inner_product(p->k, &w, s.e, u.e);
    poly_ntt_inverse(&w);
    poly_decompress(&v, p->dv, ct);
    poly_subtract(&v, &w);
    poly_reduce(&v);
    poly_compress(&v, 1, m);
    wipe(&s, sizeof s);
    wipe(&v, sizeof v);
    wipe(&w, sizeof w);
}
