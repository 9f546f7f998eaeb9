// crypto_bench - our sealing and opening beside the bare libraries: `./dev bench crypto`.
//
// Bursts of 128 ESP-like messages in place, as the packet path has them: a head of 8 bytes, the IV,
// the text, the ICV. The bare libraries do the same with the same keys; what they write is compared
// with what we write before anything is timed.
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/alg.h"
#include "crypto/sealer.h"
#include "test/bench/bare.h"
#include "test/bench/stopwatch.h"

#define BURST 128
#define ROOM 2048 // bytes of a message with all around it
#define BURSTS 1000
#define QUICK_BURSTS 200
#define ROWS_MAX 64

static const struct {
    const char *name;
    uint16_t encr, integ, icv_len, key_len, salt_len, integ_key_len;
} algs[] = {
    {"AES-128-GCM", ENCR_AES_GCM_16, INTEG_NONE, 0, 16, 4, 0},
    {"AES-256-GCM", ENCR_AES_GCM_16, INTEG_NONE, 0, 32, 4, 0},
    {"ChaCha20-Poly1305", ENCR_CHACHA20_POLY1305, INTEG_NONE, 0, 32, 4, 0},
    {"AES-128-CBC + HMAC-SHA-256", ENCR_AES_CBC, INTEG_HMAC_SHA2_256_128, 0, 16, 0, 32},
};
static const uint32_t sizes[] = {64, 512, 1408};
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { OURS_SEAL, OURS_OPEN, BARE_MB, BARE_EVP, COLUMNS };
static const char *const column_names[COLUMNS] = {"seal", "open", "ipsec_mb_seal", "openssl_seal"};

struct row {
    const char *alg, *provider;
    uint32_t size;
    struct samples ns[COLUMNS];
};

struct bench {
    double ticks_per_ns;
    unsigned bursts;
    uint8_t *memory;
    struct seal_job job[BURST];
    unsigned n;
    struct row row[ROWS_MAX];
};

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "crypto_bench: %s: %s\n", what, why);
    exit(1);
}

static void jobs_fill(struct bench *b, const struct sealer *s, uint32_t size)
{
    for (unsigned i = 0; i < BURST; i++) {
        uint8_t *at = b->memory + (size_t)i * ROOM;
        memset(at, 'x', ROOM);
        at[7] = (uint8_t)i;
        memset(at + 8, (int)i + 1, sealer_iv_len(s));
        b->job[i] = (struct seal_job){.head = at, .head_len = 8, .text_len = size};
    }
}

static double per_message(const struct bench *b, uint64_t spent)
{
    return (double)spent / b->ticks_per_ns / BURST;
}

static void measure_ours(struct bench *b, struct sealer *s, struct row *row)
{
    for (unsigned k = 0; k < b->bursts; k++) {
        uint64_t from = ticks();
        sealer_seal(s, b->job, BURST);
        uint64_t between = ticks();
        sealer_open(s, b->job, BURST);
        samples_add(&row->ns[OURS_SEAL], per_message(b, between - from));
        samples_add(&row->ns[OURS_OPEN], per_message(b, ticks() - between));
        for (unsigned i = 0; i < BURST; i++) {
            if (b->job[i].bad) die(row->alg, "a message did not open");
        }
    }
}

static void bare_messages(struct bench *b, const struct sealer *s, struct bare_message m[BURST])
{
    for (unsigned i = 0; i < BURST; i++) {
        uint8_t *iv = b->job[i].head + 8, *text = iv + sealer_iv_len(s);
        m[i] = (struct bare_message){.head = b->job[i].head,
                                     .iv = iv,
                                     .text = text,
                                     .len = b->job[i].text_len,
                                     .icv = text + b->job[i].text_len};
    }
}

// Does the bare library write the same bytes?
static void compare(struct bench *b, struct sealer *s, struct bare *bare, uint32_t size,
                    const char *name)
{
    static uint8_t ours[ROOM];
    struct bare_message m[BURST];
    jobs_fill(b, s, size);
    sealer_seal(s, b->job, BURST);
    memcpy(ours, b->memory, ROOM);
    jobs_fill(b, s, size);
    bare_messages(b, s, m);
    bare_seal(bare, m, BURST);
    if (memcmp(ours, b->memory, 8 + sealer_iv_len(s) + size + sealer_icv_len(s)) != 0)
        die(name, "the bare library and we disagree");
}

static void measure_bare(struct bench *b, struct sealer *s, const struct bare_spec *spec,
                         struct row *row, unsigned column)
{
    struct bare_message m[BURST];
    struct bare *bare = bare_new(spec);
    if (!bare) return;
    compare(b, s, bare, row->size, row->alg);
    bare_messages(b, s, m);
    for (unsigned k = 0; k < b->bursts; k++) {
        uint64_t from = ticks();
        bare_seal(bare, m, BURST);
        samples_add(&row->ns[column], per_message(b, ticks() - from));
    }
    bare_free(bare);
}

static void measure(struct bench *b, unsigned a, uint32_t size)
{
    static uint8_t key[64], integ_key[32];
    for (unsigned i = 0; i < sizeof key; i++) key[i] = (uint8_t)(i * 7 + 1);
    struct sealer_spec spec = {
        .encr = algs[a].encr,
        .integ = algs[a].integ,
        .encr_key = span(key, (size_t)algs[a].key_len + algs[a].salt_len),
        .integ_key = span(integ_key, algs[a].integ_key_len),
    };
    struct why why = {0};
    struct sealer *s;
    if (sealer_new(&spec, &s, &why) != ERR_OK) die(algs[a].name, why.text);
    struct row *row = &b->row[b->n++];
    *row = (struct row){.alg = algs[a].name, .provider = sealer_provider(s), .size = size};
    struct bare_spec bare = {.kind = (enum bare_kind)a,
                             .key = key,
                             .key_len = algs[a].key_len,
                             .salt = key + algs[a].key_len,
                             .integ_key = integ_key};
    jobs_fill(b, s, size);
    measure_ours(b, s, row);
    measure_bare(b, s, &bare, row, BARE_MB);
    bare.openssl = true;
    measure_bare(b, s, &bare, row, BARE_EVP);
    sealer_free(s);
}

// ---- results ----

static void print_samples(const struct samples *s)
{
    if (s->n)
        printf(" %.0f (%.0f-%.0f) |", samples_median(s), samples_low(s), samples_high(s));
    else
        printf(" - |");
}

static void print_table(const struct bench *b)
{
    printf("| algorithm | bytes | by | seal ns (low-high) | open ns | bare intel-ipsec-mb, seal "
           "| bare OpenSSL EVP, seal | of bare |\n|---|---|---|---|---|---|---|---|\n");
    for (unsigned i = 0; i < b->n; i++) {
        const struct row *row = &b->row[i];
        printf("| %s | %u | %s |", row->alg, row->size, row->provider);
        for (unsigned c = 0; c < COLUMNS; c++) print_samples(&row->ns[c]);
        const struct samples *bare = &row->ns[row->ns[BARE_MB].n ? BARE_MB : BARE_EVP];
        printf(" %.2f |\n", samples_median(&row->ns[OURS_SEAL]) / samples_median(bare));
    }
}

static bool json_write(const struct bench *b, const char *path)
{
    char cpu[128];
    FILE *f = fopen(path, "w");
    if (!f) return false;
    (void)fprintf(f, "{");
    json_text(f, "cpu", cpu_name(cpu));
    (void)fprintf(f, ", \"unit\": \"ns per message\", \"rows\": [\n");
    for (unsigned i = 0; i < b->n; i++) {
        const struct row *row = &b->row[i];
        (void)fprintf(f, "  {");
        json_text(f, "algorithm", row->alg);
        (void)fprintf(f, ", ");
        json_text(f, "provider", row->provider);
        (void)fprintf(f, ", \"bytes\": %u", row->size);
        for (unsigned c = 0; c < COLUMNS; c++) {
            const struct samples *s = &row->ns[c];
            if (!s->n) continue;
            (void)fprintf(f, ", \"%s\": {\"median\": %.1f, \"low\": %.1f, \"high\": %.1f}",
                          column_names[c], samples_median(s), samples_low(s), samples_high(s));
        }
        (void)fprintf(f, i + 1 < b->n ? "},\n" : "}\n]}\n");
    }
    return fclose(f) == 0;
}

static const char usage[] = "usage: ./dev bench crypto [--quick] [--core N] [--json FILE]\n"
                            "  --quick      fewer rounds: a second or two\n"
                            "  --core N     the core to run on (default 0)\n"
                            "  --json FILE  where the figures go (default "
                            "build/bench-crypto.json)\n";

int main(int argc, char **argv)
{
    static const struct option known[] = {{"quick", no_argument, NULL, 'q'},
                                          {"core", required_argument, NULL, 'c'},
                                          {"json", required_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    static struct bench b = {.bursts = BURSTS};
    const char *json = "build/bench-crypto.json";
    int core = 0;
    char cpu[128];
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 'q') b.bursts = QUICK_BURSTS;
        if (c == 'c') core = (int)strtol(optarg, NULL, 10);
        if (c == 'j') json = optarg;
        if (c == 'h' || c == '?') {
            (void)fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : 2;
        }
    }
    if (!pin_to(core)) (void)fprintf(stderr, "crypto_bench: no core %d; running on any\n", core);
    b.ticks_per_ns = ticks_per_ns();
    b.memory = aligned_alloc(64, (size_t)BURST * ROOM);
    if (!b.memory) return 1;
    for (unsigned a = 0; a < COUNT(algs); a++) {
        (void)fprintf(stderr, "  %s\n", algs[a].name);
        for (unsigned i = 0; i < COUNT(sizes); i++) measure(&b, a, sizes[i]);
    }
    print_table(&b);
    bool written = json_write(&b, json);
    printf("\n%s, core %d, bursts of %d; raw figures: %s\n", cpu_name(cpu), core, BURST,
           written ? json : "could not be written");
    free(b.memory);
    return written ? 0 : 1;
}
