#include "crypto/sealer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/alg.h"
#include "test/check.h"

#define HEAD 8
#define SIZES 1500 // text lengths tried, in bytes

// Every pair of algorithms there is.
static const struct {
    uint16_t encr, integ;
    uint8_t key_len, mac_len; // salt included
} pairs[] = {
    {ENCR_AES_GCM_16, 0, 20, 0},
    {ENCR_AES_GCM_16, 0, 28, 0},
    {ENCR_AES_GCM_16, 0, 36, 0},
    {ENCR_AES_GCM_12, 0, 20, 0},
    {ENCR_AES_GCM_12, 0, 28, 0},
    {ENCR_AES_GCM_12, 0, 36, 0},
    {ENCR_AES_GCM_8, 0, 20, 0},
    {ENCR_AES_GCM_8, 0, 28, 0},
    {ENCR_AES_GCM_8, 0, 36, 0},
    {ENCR_CHACHA20_POLY1305, 0, 36, 0},
    {ENCR_AES_CCM_16, 0, 19, 0},
    {ENCR_AES_CCM_16, 0, 27, 0},
    {ENCR_AES_CCM_16, 0, 35, 0},
    {ENCR_AES_CCM_12, 0, 19, 0},
    {ENCR_AES_CCM_12, 0, 27, 0},
    {ENCR_AES_CCM_12, 0, 35, 0},
    {ENCR_AES_CCM_8, 0, 19, 0},
    {ENCR_AES_CCM_8, 0, 27, 0},
    {ENCR_AES_CCM_8, 0, 35, 0},
    {ENCR_NULL_AES_GMAC, 0, 20, 0},
    {ENCR_NULL_AES_GMAC, 0, 28, 0},
    {ENCR_NULL_AES_GMAC, 0, 36, 0},
    {ENCR_AES_CBC, INTEG_HMAC_SHA1_96, 16, 20},
    {ENCR_AES_CBC, INTEG_HMAC_SHA1_96, 24, 20},
    {ENCR_AES_CBC, INTEG_HMAC_SHA1_96, 32, 20},
    {ENCR_AES_CBC, INTEG_HMAC_SHA2_256_128, 16, 32},
    {ENCR_AES_CBC, INTEG_HMAC_SHA2_256_128, 24, 32},
    {ENCR_AES_CBC, INTEG_HMAC_SHA2_256_128, 32, 32},
    {ENCR_AES_CBC, INTEG_HMAC_SHA2_384_192, 16, 48},
    {ENCR_AES_CBC, INTEG_HMAC_SHA2_384_192, 24, 48},
    {ENCR_AES_CBC, INTEG_HMAC_SHA2_384_192, 32, 48},
    {ENCR_AES_CBC, INTEG_HMAC_SHA2_512_256, 16, 64},
    {ENCR_AES_CBC, INTEG_HMAC_SHA2_512_256, 24, 64},
    {ENCR_AES_CBC, INTEG_HMAC_SHA2_512_256, 32, 64},
    {ENCR_AES_CBC, INTEG_AES_XCBC_96, 16, 16},
    {ENCR_AES_CBC, INTEG_AES_CMAC_96, 32, 16},
    {ENCR_AES_CTR, INTEG_HMAC_SHA1_96, 20, 20},
    {ENCR_AES_CTR, INTEG_HMAC_SHA2_256_128, 28, 32},
    {ENCR_AES_CTR, INTEG_HMAC_SHA2_512_256, 36, 64},
    {ENCR_AES_CTR, INTEG_AES_XCBC_96, 20, 16},
    {ENCR_AES_CTR, INTEG_AES_CMAC_96, 28, 16},
    {ENCR_CAMELLIA_CBC, INTEG_HMAC_SHA1_96, 16, 20},
    {ENCR_CAMELLIA_CBC, INTEG_HMAC_SHA2_256_128, 24, 32},
    {ENCR_CAMELLIA_CBC, INTEG_AES_CMAC_96, 32, 16},
    {ENCR_3DES, INTEG_HMAC_SHA1_96, 24, 20},
    {ENCR_3DES, INTEG_HMAC_SHA2_256_128, 24, 32},
    {ENCR_3DES, INTEG_AES_XCBC_96, 24, 16},
    {ENCR_NULL, INTEG_AES_XCBC_96, 0, 16},
    {ENCR_NULL, INTEG_AES_CMAC_96, 0, 16},
    // keys of other lengths than IKE's
    {ENCR_NULL, INTEG_AES_XCBC_96, 0, 24},
    {ENCR_NULL, INTEG_AES_XCBC_96, 0, 32},
    {ENCR_NULL, INTEG_AES_CMAC_96, 0, 24},
    {ENCR_NULL, INTEG_AES_CMAC_96, 0, 32},
    {ENCR_AES_CBC, INTEG_HMAC_SHA1_96, 16, 1},
    {ENCR_AES_CBC, INTEG_HMAC_SHA2_256_128, 16, 64},
    {ENCR_AES_CBC, INTEG_HMAC_SHA2_256_128, 16, 65},
    {ENCR_AES_CBC, INTEG_HMAC_SHA2_512_256, 16, 128},
    {ENCR_NULL, INTEG_HMAC_SHA1_96, 0, 20},
    {ENCR_NULL, INTEG_HMAC_SHA2_256_128, 0, 32},
    {ENCR_NULL, INTEG_HMAC_SHA2_384_192, 0, 48},
    {ENCR_NULL, INTEG_HMAC_SHA2_512_256, 0, 64},
};
// Pairs that intel-ipsec-mb does not do: three of Camellia, three of CCM with 24 bytes of key, XCBC
// with 24 and 32, CMAC with 24, an HMAC key longer than the block.
#define OPENSSL_ONLY 10
#define PAIRS (sizeof pairs / sizeof *pairs)

static uint8_t keys[64 + 128];

// NULL if that provider does not do the pair on this machine.
static struct sealer *make(size_t pair, const char *provider, uint16_t icv_len)
{
    for (size_t i = 0; i < sizeof keys; i++) keys[i] = (uint8_t)(i * 7 + 1);
    struct sealer_spec spec = {
        .encr = pairs[pair].encr,
        .integ = pairs[pair].integ,
        .icv_len = icv_len,
        .encr_key = span(keys, pairs[pair].key_len),
        .integ_key = span(keys + 64, pairs[pair].mac_len),
        .provider = provider,
    };
    struct sealer *s = NULL;
    err_t e = sealer_new(&spec, &s, NULL);
    if (e == ERR_ALGORITHM && provider && !strcmp(provider, "ipsecmb")) return NULL;
    CHECK_OK(e);
    return s;
}

// Runs fn for every pair and provider; at least all pairs with one must run.
static void for_all(void (*fn)(struct sealer *s, size_t pair))
{
    static const char *const providers[] = {"openssl", "ipsecmb"};
    size_t ran = 0;
    for (size_t p = 0; p < 2; p++) {
        for (size_t i = 0; i < PAIRS; i++) {
            struct sealer *s = make(i, providers[p], 0);
            if (!s) continue;
            CHECK_STR(sealer_provider(s), providers[p]);
            fn(s, i);
            sealer_free(s);
            ran++;
        }
    }
    print_message("# %zu algorithms and providers\n", ran);
    CHECK(ran == PAIRS || ran == 2 * PAIRS - OPENSSL_ONLY);
}

// A message on the heap, exactly as long as it is, so that a byte too far is seen.
struct letter {
    uint8_t *at;
    size_t len;
    struct seal_job job;
};

static struct letter letter_write(struct sealer *s, uint32_t head, uint32_t text)
{
    struct letter l = {.len = head + sealer_iv_len(s) + text + sealer_icv_len(s)};
    l.at = malloc(l.len);
    for (size_t i = 0; i < l.len; i++) l.at[i] = (uint8_t)(i * 13 + text);
    l.job = (struct seal_job){.head = l.at, .head_len = head, .text_len = text};
    sealer_iv(s, 0x0102030405060708, l.at + head);
    return l;
}

static struct letter letter_copy(const struct letter *l)
{
    struct letter c = *l;
    c.at = malloc(l->len);
    memcpy(c.at, l->at, l->len);
    c.job.head = c.at;
    return c;
}

static void letter_free(struct letter *l)
{
    free(l->at);
}

static bool text_is_zero(const struct sealer *s, const struct seal_job *j)
{
    const uint8_t *text = j->head + j->head_len + sealer_iv_len(s);
    for (uint32_t i = 0; i < j->text_len; i++) {
        if (text[i]) return false;
    }
    return true;
}

// ---- what is sealed can be opened ----

static void round_trip(struct sealer *s, size_t pair)
{
    for (uint32_t n = 0; n <= SIZES; n += sealer_block(s)) {
        struct letter l = letter_write(s, HEAD, n), clear = letter_copy(&l);
        size_t covered = l.len - sealer_icv_len(s);
        sealer_seal(s, &l.job, 1);
        CHECK(!l.job.bad);
        CHECK(!memcmp(l.at, clear.at, HEAD + sealer_iv_len(s)));
        if (n >= 8) { // a byte or two may well be the same by chance
            CHECK_EQ(!memcmp(l.at, clear.at, covered),
                     alg_find(ALG_ENCR, pairs[pair].encr, 0)->clear);
        }
        sealer_open(s, &l.job, 1);
        CHECK(!l.job.bad);
        CHECK(!memcmp(l.at, clear.at, covered));
        letter_free(&l);
        letter_free(&clear);
    }
}

static void every_size_survives_the_round_trip(void **state)
{
    (void)state;
    for_all(round_trip);
}

static void odd_heads(struct sealer *s, size_t pair)
{
    (void)pair;
    for (uint32_t head = 0; head <= 64; head++) {
        struct letter l = letter_write(s, head, 48);
        sealer_seal(s, &l.job, 1);
        sealer_open(s, &l.job, 1);
        CHECK(!l.job.bad);
        letter_free(&l);
    }
}

static void a_head_may_have_any_length(void **state)
{
    (void)state;
    for_all(odd_heads);
}

// ---- what was changed is refused ----

#define MANY 40 // messages in a burst: some providers treat large bursts differently

// Opens n messages as one burst.
static void open_all(struct sealer *s, struct letter *l, unsigned n)
{
    struct seal_job jobs[MANY];
    for (unsigned i = 0; i < n; i++) jobs[i] = l[i].job;
    sealer_open(s, jobs, n);
    for (unsigned i = 0; i < n; i++) l[i].job = jobs[i];
}

// Flips the bits from `bit` on, one in each of n copies; all must be refused.
static void flip_some(struct sealer *s, const struct letter *l, size_t bit, unsigned n)
{
    struct letter c[MANY];
    for (unsigned i = 0; i < n; i++) {
        c[i] = letter_copy(l);
        c[i].at[(bit + i) / 8] ^= (uint8_t)(1U << (bit + i) % 8);
    }
    open_all(s, c, n);
    for (unsigned i = 0; i < n; i++) {
        CHECK(c[i].job.bad);
        CHECK(text_is_zero(s, &c[i].job));
        letter_free(&c[i]);
    }
}

static void flip(struct sealer *s, size_t pair)
{
    (void)pair;
    struct letter l = letter_write(s, HEAD, 64), good;
    sealer_seal(s, &l.job, 1);
    for (size_t bit = 0; bit < l.len * 8; bit++) flip_some(s, &l, bit, 1);
    for (size_t bit = 0; bit < l.len * 8; bit += 8) flip_some(s, &l, bit, 8);
    for (size_t bit = 0; bit + MANY <= l.len * 8; bit += MANY) flip_some(s, &l, bit, MANY);
    good = letter_copy(&l);
    sealer_open(s, &good.job, 1);
    CHECK(!good.job.bad);
    letter_free(&good);
    letter_free(&l);
}

static void every_flipped_bit_is_seen(void **state)
{
    (void)state;
    for_all(flip);
}

static void wrong_lengths(struct sealer *s, size_t pair)
{
    (void)pair;
    struct letter l = letter_write(s, HEAD, 64);
    sealer_seal(s, &l.job, 1);
    for (uint32_t shorter = sealer_block(s); shorter <= 64; shorter += sealer_block(s)) {
        struct letter c = letter_copy(&l);
        c.job.text_len -= shorter;
        sealer_open(s, &c.job, 1);
        CHECK(c.job.bad);
        letter_free(&c);
    }
    for (uint32_t odd = 1; odd < sealer_block(s); odd++) {
        struct letter c = letter_copy(&l);
        c.job.text_len -= odd;
        sealer_open(s, &c.job, 1);
        CHECK(c.job.bad);
        CHECK(!memcmp(c.at, l.at, l.len));
        sealer_seal(s, &c.job, 1);
        CHECK(c.job.bad);
        CHECK(!memcmp(c.at, l.at, l.len));
        letter_free(&c);
    }
    letter_free(&l);
}

static void a_cut_message_is_refused(void **state)
{
    (void)state;
    for_all(wrong_lengths);
}

static void esn(struct sealer *s, size_t pair)
{
    (void)pair;
    struct letter l = letter_write(s, HEAD, 64);
    l.job.esn = true;
    l.job.esn_hi = 7;
    sealer_seal(s, &l.job, 1);
    CHECK(!l.job.bad);
    static const struct {
        bool esn;
        uint32_t hi;
        bool good;
    } tries[] = {{true, 7, true}, {true, 8, false}, {true, 0, false}, {false, 7, false}};
    for (size_t i = 0; i < 4; i++) {
        struct letter c = letter_copy(&l);
        c.job.esn = tries[i].esn;
        c.job.esn_hi = tries[i].hi;
        sealer_open(s, &c.job, 1);
        CHECK_EQ(c.job.bad, !tries[i].good);
        letter_free(&c);
    }
    letter_free(&l);
    for (uint32_t head = 0; head < HEAD; head++) { // there is room for it in an ESP header only
        l = letter_write(s, head, 64);
        l.job.esn = true;
        sealer_seal(s, &l.job, 1);
        CHECK(l.job.bad);
        sealer_open(s, &l.job, 1);
        CHECK(l.job.bad);
        letter_free(&l);
    }
}

static void the_high_half_of_an_esn_counts(void **state)
{
    (void)state;
    for_all(esn);
}

// The i-th message of the burst below: every shape that a provider may treat apart.
static struct letter burst_letter(struct sealer *s, unsigned i)
{
    uint32_t text = i == 20 ? 70016 : i * 16;
    struct letter l = letter_write(s, i == 0 ? 0 : HEAD, text);
    l.job.esn = i % 3 == 1;
    l.job.esn_hi = i;
    return l;
}

static void burst(struct sealer *s, size_t pair)
{
    (void)pair;
    enum { N = 67 };
    struct letter l[N], clear[N];
    struct seal_job jobs[N];
    for (unsigned i = 0; i < N; i++) {
        l[i] = burst_letter(s, i);
        clear[i] = letter_copy(&l[i]);
        jobs[i] = l[i].job;
    }
    sealer_seal(s, jobs, N);
    for (unsigned i = 0; i < N; i++) CHECK(!jobs[i].bad);
    l[13].at[0] ^= 1;
    l[40].at[l[40].len - 1] ^= 1;
    jobs[41].text_len = UINT32_MAX;
    jobs[43].esn_hi++; // 43 % 3 == 1
    sealer_open(s, jobs, N);
    for (unsigned i = 0; i < N; i++) {
        bool spoilt = i == 13 || i == 40 || i == 41 || i == 43;
        CHECK_EQ(jobs[i].bad, spoilt);
        if (!spoilt) CHECK(!memcmp(l[i].at, clear[i].at, l[i].len - sealer_icv_len(s)));
        letter_free(&l[i]);
        letter_free(&clear[i]);
    }
    sealer_open(s, jobs, 0);
}

static void jobs_of_a_burst_are_independent(void **state)
{
    (void)state;
    for_all(burst);
}

// ---- lengths and keys ----

static void a_mac_may_be_cut_to_96_bits_and_no_shorter(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAIRS; i++) {
        const struct alg *mac = pairs[i].integ ? alg_find(ALG_INTEG, pairs[i].integ, 0) : NULL;
        const struct alg *encr = alg_find(ALG_ENCR, pairs[i].encr, 0);
        for (uint16_t icv = 1; icv <= 65; icv++) {
            struct sealer_spec spec = {
                .encr = pairs[i].encr,
                .integ = pairs[i].integ,
                .icv_len = icv,
                .encr_key = span(keys, pairs[i].key_len),
                .integ_key = span(keys, pairs[i].mac_len),
            };
            struct sealer *s = NULL;
            bool fine = mac ? icv >= 12 && icv <= mac->mac_len : icv == encr->icv_len;
            CHECK_EQ(sealer_new(&spec, &s, NULL), fine ? ERR_OK : ERR_ALGORITHM);
            if (!fine) continue;
            CHECK_EQ(sealer_icv_len(s), icv);
            if (icv % 4 == 0 && mac) flip(s, i);
            sealer_free(s);
        }
    }
}

static void refuse(const struct sealer_spec *spec, const char *says)
{
    struct sealer *s = NULL;
    struct why why = {""};
    CHECK_EQ(sealer_new(spec, &s, &why), ERR_ALGORITHM);
    if (!strstr(why.text, says)) print_error("%s\n", why.text);
    CHECK(strstr(why.text, says) != NULL);
    CHECK(s == NULL);
}

static void a_wrong_specification_is_explained(void **state)
{
    (void)state;
    struct sealer_spec spec = {.encr = ENCR_AES_GCM_16, .encr_key = span(keys, 16)};
    refuse(&spec, "AES_GCM_16 takes a key of 20, 28 or 36 bytes (salt included), not 16");
    spec.encr = ENCR_CHACHA20_POLY1305;
    refuse(&spec, "CHACHA20_POLY1305 takes a key of 36 bytes");
    spec.encr = ENCR_AES_CBC;
    refuse(&spec, "AES_CBC needs a MAC");
    spec.integ = INTEG_HMAC_SHA2_256_128;
    spec.integ_key = span(keys, 0);
    refuse(&spec, "HMAC_SHA2_256_128 takes a key of 1 or more bytes, not 0");
    spec.encr_key = span(keys, 17);
    refuse(&spec, "AES_CBC takes a key of 16, 24 or 32 bytes, not 17");
    spec.encr_key = span(keys, 16);
    spec.integ_key = span(keys, 32);
    spec.icv_len = 8;
    refuse(&spec, "ICV of 12 to 32 bytes, not 8");
    spec.icv_len = 0;
    spec.integ = INTEG_AES_XCBC_96;
    spec.integ_key = span(keys, 17);
    refuse(&spec, "AES_XCBC_96 takes a key of 16, 24 or 32 bytes, not 17");
    spec.integ = 3;
    refuse(&spec, "integrity algorithm 3 (DES_MAC) is not known here");
    spec = (struct sealer_spec){.encr = 2, .encr_key = span(keys, 8)};
    refuse(&spec, "encryption algorithm 2 (DES_CBC) is not known here");
    spec = (struct sealer_spec){.encr = ENCR_3DES, .encr_key = span(keys, 16)};
    refuse(&spec, "3DES_CBC takes a key of 24 bytes, not 16");
    spec = (struct sealer_spec){.encr = ENCR_AES_CCM_12, .encr_key = span(keys, 20)};
    refuse(&spec, "AES_CCM_12 takes a key of 19, 27 or 35 bytes (salt included), not 20");
    spec = (struct sealer_spec){.encr = ENCR_AES_CTR, .encr_key = span(keys, 36)};
    refuse(&spec, "AES_CTR needs a MAC");
    spec = (struct sealer_spec){.encr = ENCR_NULL};
    refuse(&spec, "NULL needs a MAC");
    spec.encr_key = span(keys, 1);
    refuse(&spec, "NULL takes a key of 0 bytes");
    spec = (struct sealer_spec){.encr = ENCR_AES_GCM_8, .encr_key = span(keys, 36), .icv_len = 16};
    refuse(&spec, "AES_GCM_8 has an ICV of 8 bytes, not 16");
    spec.icv_len = 0;
    spec.integ = INTEG_HMAC_SHA1_96;
    refuse(&spec, "takes no MAC");
    spec.integ = INTEG_NONE;
    spec.provider = "abacus";
    refuse(&spec, "\"abacus\"");
}

// Both seal the same n messages as one burst, from `text` bytes on; b opens what a sealed.
static void compare(struct sealer *a, struct sealer *b, uint32_t text, unsigned n)
{
    struct letter x[MANY], y[MANY];
    struct seal_job jx[MANY], jy[MANY];
    for (unsigned i = 0; i < n; i++) {
        x[i] = letter_write(a, HEAD, text + i * sealer_block(a));
        x[i].job.esn = i % 2 == 0;
        x[i].job.esn_hi = text;
        y[i] = letter_copy(&x[i]);
        jx[i] = x[i].job;
        jy[i] = y[i].job;
    }
    sealer_seal(a, jx, n);
    sealer_seal(b, jy, n);
    for (unsigned i = 0; i < n; i++) {
        CHECK(!jx[i].bad && !jy[i].bad);
        CHECK(!memcmp(x[i].at, y[i].at, x[i].len));
    }
    sealer_open(b, jx, n);
    for (unsigned i = 0; i < n; i++) {
        CHECK(!jx[i].bad);
        letter_free(&x[i]);
        letter_free(&y[i]);
    }
}

static void providers_agree_on_every_byte(void **state)
{
    (void)state;
    size_t compared = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        struct sealer *a = make(i, "openssl", 0), *b = make(i, "ipsecmb", 0);
        uint32_t step = MANY * sealer_block(a);
        for (uint32_t text = 0; b && text <= SIZES; text += step, compared += MANY) {
            compare(a, b, text, MANY);
            compare(a, b, text, 3);
        }
        sealer_free(a);
        sealer_free(b);
    }
    print_message("# %zu messages compared\n", compared);
}

static void *thread(void *sealer)
{
    struct sealer *s = sealer;
    burst(s, 0);
    return NULL;
}

// An SA is made by the control thread and used by a worker.
static void another_thread_may_use_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAIRS; i += 5) {
        pthread_t id;
        struct sealer *s = make(i, NULL, 0);
        CHECK_EQ(pthread_create(&id, NULL, thread, s), 0);
        CHECK_EQ(pthread_join(id, NULL), 0);
        sealer_free(s);
    }
}

static void ivs_count_or_cannot_be_foreseen(void **state)
{
    (void)state;
    uint8_t iv[16], seen[200][16];
    struct sealer *s = make(0, NULL, 0);
    sealer_iv(s, 0x0102030405060708, iv);
    CHECK(!memcmp(iv, "\1\2\3\4\5\6\7\10", 8));
    sealer_free(s);
    size_t cbc = 0;
    while (pairs[cbc].encr != ENCR_AES_CBC) cbc++;
    s = make(cbc, NULL, 0);
    for (size_t i = 0; i < 200; i++) {
        sealer_iv(s, 1, seen[i]);
        for (size_t k = 0; k < i; k++) CHECK(memcmp(seen[i], seen[k], 16) != 0);
    }
    sealer_free(s);
    sealer_free(NULL);
}

// What is shown is what would be used.
static void who_would_is_who_does(void **state)
{
    (void)state;
    size_t n;
    const struct alg *all = alg_all(&n);
    static const uint8_t key[2][64];
    for (size_t i = 0; i < n * n; i++) {
        struct sealer *s;
        const struct alg *e = &all[i / n], *m = &all[i % n];
        if (e->type != ALG_ENCR || (e->aead ? i % n : m->type != ALG_INTEG)) continue;
        const struct sealer_spec spec = {
            .encr = e->id,
            .integ = e->aead ? INTEG_NONE : m->id,
            .encr_key = span(key[0], e->key_len + e->salt_len),
            .integ_key = span(key[1], e->aead ? 0 : m->key_len),
        };
        CHECK_OK(sealer_new(&spec, &s, NULL));
        CHECK_STR(sealer_would(e, e->aead ? NULL : m), sealer_provider(s));
        sealer_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_survives_the_round_trip),
        cmocka_unit_test(a_head_may_have_any_length),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(a_cut_message_is_refused),
        cmocka_unit_test(the_high_half_of_an_esn_counts),
        cmocka_unit_test(jobs_of_a_burst_are_independent),
        cmocka_unit_test(a_mac_may_be_cut_to_96_bits_and_no_shorter),
        cmocka_unit_test(a_wrong_specification_is_explained),
        cmocka_unit_test(providers_agree_on_every_byte),
        cmocka_unit_test(who_would_is_who_does),
        cmocka_unit_test(another_thread_may_use_it),
        cmocka_unit_test(ivs_count_or_cannot_be_foreseen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
