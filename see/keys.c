#include "see/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/alg.h"
#include "crypto/prf.h"
#include "ike/codec/wireshark.h"

#define FIELDS_MAX 12
#define FIELD_MAX 512 // bytes of one field, as text
#define KEY_MAX 128   // bytes of one key

// ---- lines ----

struct line {
    const char *table;
    unsigned number, n;
    char field[FIELDS_MAX][FIELD_MAX];
};

static void issue(struct see_keys *k, const struct line *l, const char *what)
{
    if (k->issue_n == KEYS_ISSUES_MAX) return;
    IGNORE(why_not(&k->issue[k->issue_n++], ERR_SYNTAX, "%s:%u: %s", l->table, l->number, what));
}

// Takes fields apart: "quoted" or plain, with commas between them. false: too long, too many.
static bool line_split(span_t s, struct line *l)
{
    bool quoted = false;
    size_t at = 0;
    l->n = 0;
    memset(l->field, 0, sizeof l->field);
    for (size_t i = 0; i < s.len; i++) {
        char c = (char)s.at[i];
        if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            if (++l->n == FIELDS_MAX) return false;
            at = 0;
        } else if (quoted || (c != ' ' && c != '\t' && c != '\r')) {
            if (at == FIELD_MAX - 1) return false;
            l->field[l->n][at++] = c;
        }
    }
    l->n++;
    return !quoted;
}

static bool hex_key(const char *s, uint8_t out[KEY_MAX], span_t *key)
{
    size_t len = KEY_MAX;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) s += 2;
    if (hex_read(s, strlen(s), out, &len) != ERR_OK) return false;
    *key = span(out, len);
    return true;
}

static bool hex_spi(const char *s, uint64_t *out)
{
    uint8_t bytes[KEY_MAX];
    span_t key;
    if (!hex_key(s, bytes, &key) || key.len == 0 || key.len > 8) return false;
    *out = 0;
    for (size_t i = 0; i < key.len; i++) *out = *out << 8 | key.at[i];
    return true;
}

// ---- sealers ----

struct suite {
    uint16_t encr, integ, icv_len;
    bool any_mac;
};

static bool suite_read(enum wireshark_table t, const char *cipher, const char *mac, struct suite *s)
{
    *s = (struct suite){.any_mac = strncmp(mac, "ANY ", 4) == 0};
    if (wireshark_read_cipher(t, cipher, &s->encr) != ERR_OK) return false;
    return wireshark_read_mac(t, mac, &s->integ, &s->icv_len) == ERR_OK;
}

static err_t suite_sealer(const struct suite *s, span_t encr, span_t integ, struct sealer **out,
                          struct sealer **alt)
{
    struct why why = {{0}};
    const struct alg *a = alg_find(ALG_ENCR, s->encr, 0);
    bool aead = a && a->aead; // tables may name a MAC beside it that nothing is made with
    struct sealer_spec spec = {.encr = s->encr,
                               .integ = aead ? INTEG_NONE : s->integ,
                               .icv_len = aead ? 0 : s->icv_len,
                               .encr_key = encr,
                               .integ_key = aead ? span(NULL, 0) : integ};
    TRY(sealer_new(&spec, out, &why));
    if (!s->any_mac || aead) return ERR_OK;
    spec.integ = INTEG_AES_CMAC_96;
    return sealer_new(&spec, alt, &why);
}

// ---- the tables ----

// The array with room for one more; NULL: no room or no memory, and nothing has changed.
static void *roomy(void *array, unsigned n, size_t size)
{
    if (n == KEYS_MAX) return NULL;
    if (n % 64) return array;
    void *more = calloc(n + 64U, size);
    if (!more || !array) return more;
    memcpy(more, array, n * size);
    wipe(array, n * size);
    free(array);
    return more;
}

static void ike_drop(struct key_ike *x)
{
    for (unsigned i = 0; i < 2; i++) {
        sealer_free(x->of[i]);
        sealer_free(x->alt[i]);
    }
}

static bool ike_pair(const struct line *l, const struct suite *s, struct key_ike *x)
{
    uint8_t encr[KEY_MAX], integ[KEY_MAX];
    span_t e, a;
    bool good = true;
    for (unsigned i = 0; i < 2 && good; i++) {
        good = hex_key(l->field[2 + i], encr, &e) && hex_key(l->field[5 + i], integ, &a) &&
               suite_sealer(s, e, a, &x->of[i], &x->alt[i]) == ERR_OK;
    }
    wipe(encr, sizeof encr);
    wipe(integ, sizeof integ);
    return good;
}

static void ike_line(struct see_keys *k, const struct line *l)
{
    struct suite s;
    struct key_ike x = {0};
    if (l->n < 8) return issue(k, l, "an IKE SA has 8 fields");
    if (!hex_spi(l->field[0], &x.spi_i) || !hex_spi(l->field[1], &x.spi_r))
        return issue(k, l, "an SPI is no hex number of up to 8 bytes");
    if (!suite_read(WIRESHARK_IKE, l->field[4], l->field[7], &s))
        return issue(k, l, "the cipher or the integrity algorithm is not known here");
    if (ike_pair(l, &s, &x)) {
        struct key_ike *all = roomy(k->ike, k->ike_n, sizeof x);
        if (!all) issue(k, l, "too many lines");
        if (all) k->ike = all;
        if (all) k->ike[k->ike_n++] = x;
        if (all) return;
    } else {
        issue(k, l, "a key is no hex or has not the length that its algorithm takes");
    }
    ike_drop(&x);
}

static bool esp_addr(const char *s, ip_t *out)
{
    *out = (ip_t){0};
    return strcmp(s, "*") == 0 || ip_parse(s, out) == ERR_OK;
}

// Addresses, SPI and algorithms of a line; NULL or what is wrong.
static const char *esp_head(const struct line *l, struct key_esp *x, struct suite *s)
{
    uint64_t spi = 0;
    if (l->n < 8) return "an ESP SA has 8 fields";
    if (!esp_addr(l->field[1], &x->src) || !esp_addr(l->field[2], &x->dst))
        return "an address is neither one nor '*'";
    x->any_spi = strcmp(l->field[3], "*") == 0;
    if (!x->any_spi && (!hex_spi(l->field[3], &spi) || spi > UINT32_MAX))
        return "the SPI is no hex number of up to 4 bytes";
    x->spi = (uint32_t)spi;
    if (!suite_read(WIRESHARK_ESP, l->field[4], l->field[6], s))
        return "the cipher or the integrity algorithm is not known here";
    return NULL;
}

static void esp_line(struct see_keys *k, const struct line *l)
{
    struct suite s;
    struct key_esp x = {0};
    uint8_t encr[KEY_MAX], integ[KEY_MAX];
    span_t e, a;
    const char *wrong = esp_head(l, &x, &s);
    if (wrong) return issue(k, l, wrong);
    bool good = hex_key(l->field[5], encr, &e) && hex_key(l->field[7], integ, &a) &&
                suite_sealer(&s, e, a, &x.sealer, &x.alt) == ERR_OK;
    wipe(encr, sizeof encr);
    wipe(integ, sizeof integ);
    if (!good) issue(k, l, "a key is no hex or has not the length that its algorithm takes");
    struct key_esp *all = good ? roomy(k->esp, k->esp_n, sizeof x) : NULL;
    if (all) k->esp = all;
    if (all) k->esp[k->esp_n++] = x;
    if (all) return;
    if (good) issue(k, l, "too many lines");
    sealer_free(x.sealer);
    sealer_free(x.alt);
}

static void auth_line(struct see_keys *k, const struct line *l)
{
    struct key_auth x = {0};
    uint8_t bytes[2][KEY_MAX];
    span_t key[2];
    if (l->n < 5) return issue(k, l, "AUTH has 5 fields");
    x.prf = (uint16_t)strtoul(l->field[2], NULL, 10);
    bool good = hex_spi(l->field[0], &x.spi_i) && hex_spi(l->field[1], &x.spi_r) &&
                prf_len(x.prf) && hex_key(l->field[3], bytes[0], &key[0]) &&
                hex_key(l->field[4], bytes[1], &key[1]) &&
                secret_key_set(&x.pi, key[0]) == ERR_OK && secret_key_set(&x.pr, key[1]) == ERR_OK;
    struct key_auth *all = good ? roomy(k->auth, k->auth_n, sizeof x) : NULL;
    if (all) k->auth = all;
    if (all) k->auth[k->auth_n++] = x;
    if (!all) issue(k, l, "no SPIs, PRF and keys of an IKE SA");
    wipe(bytes, sizeof bytes);
    wipe(&x, sizeof x);
}

err_t see_keys_read(struct see_keys *k, const char *table, span_t file)
{
    static const struct {
        const char *name;
        void (*line)(struct see_keys *k, const struct line *l);
    } tables[] = {{"ikev2_decryption_table", ike_line},
                  {"esp_sa", esp_line},
                  {"pavise_auth", auth_line},
                  {"pavise_ike", ike_line},
                  {"pavise_esp", esp_line}};
    const size_t n = sizeof tables / sizeof *tables;
    size_t t = 0;
    while (t < n && strcmp(tables[t].name, table) != 0) t++;
    if (t == n) return ERR_NOTFOUND;
    struct line *l = calloc(1, sizeof *l);
    if (!l) return ERR_NOMEM;
    l->table = table;
    for (rd_t r = rd_from(file); rd_left(&r) > 0;) {
        const uint8_t *end = memchr(r.at, '\n', rd_left(&r));
        span_t s = rd_bytes(&r, end ? (size_t)(end - r.at) : rd_left(&r));
        if (end) (void)rd_u8(&r);
        l->number++;
        if (s.len == 0 || s.at[0] == '#' || (s.len == 1 && s.at[0] == '\r')) continue;
        if (line_split(s, l))
            tables[t].line(k, l);
        else
            issue(k, l, "a field is too long, or a quote does not end");
    }
    wipe(l, sizeof *l);
    free(l);
    return ERR_OK;
}

// ---- looking up ----

const struct key_ike *see_keys_ike(const struct see_keys *k, uint64_t spi_i, uint64_t spi_r,
                                   const struct key_ike *after)
{
    for (unsigned i = after ? (unsigned)(after - k->ike) + 1 : 0; i < k->ike_n; i++) {
        if (k->ike[i].spi_i == spi_i && k->ike[i].spi_r == spi_r) return &k->ike[i];
    }
    return NULL;
}

static bool addr_fits(const ip_t *wanted, const ip_t *a)
{
    return wanted->family == AF_UNSPEC || ip_eq(wanted, a);
}

const struct key_esp *see_keys_esp(const struct see_keys *k, const ip_t *src, const ip_t *dst,
                                   uint32_t spi)
{
    for (unsigned i = 0; i < k->esp_n; i++) {
        const struct key_esp *x = &k->esp[i];
        if (!x->any_spi && x->spi != spi) continue;
        if (addr_fits(&x->src, src) && addr_fits(&x->dst, dst)) return x;
    }
    return NULL;
}

const struct key_auth *see_keys_auth(const struct see_keys *k, uint64_t spi_i, uint64_t spi_r,
                                     unsigned rounds)
{
    const struct key_auth *found = NULL;
    for (unsigned i = 0; i < k->auth_n; i++) {
        if (k->auth[i].spi_i != spi_i || k->auth[i].spi_r != spi_r) continue;
        found = &k->auth[i];
        if (rounds-- == 0) break;
    }
    return found;
}

void see_keys_done(struct see_keys *k)
{
    for (unsigned i = 0; i < k->ike_n; i++) ike_drop(&k->ike[i]);
    for (unsigned i = 0; i < k->esp_n; i++) {
        sealer_free(k->esp[i].sealer);
        sealer_free(k->esp[i].alt);
    }
    if (k->auth) wipe(k->auth, k->auth_n * sizeof *k->auth);
    free(k->ike);
    free(k->esp);
    free(k->auth);
    *k = (struct see_keys){0};
}
