#include "eap/sim_triplets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"

#define LINE_MAX_LEN 512 // bytes of a line, as strongSwan's
#define FIELDS 4
#define STEP 64 // triplets that the table grows by at first

struct row {
    struct sim_triplet t;
    struct sim_name who;
};

struct sim_triplets {
    struct row *rows; // sorted by identity, else as in the file
    unsigned n, cap;
    unsigned turn; // where the next look for challenges begins
};

void sim_triplets_free(struct sim_triplets *t)
{
    if (!t) return;
    if (t->rows) wipe(t->rows, t->cap * sizeof *t->rows);
    free(t->rows);
    free(t);
}

unsigned sim_triplets_n(const struct sim_triplets *t)
{
    return t->n;
}

// ---- reading -----------------------------------------------------------------------------------

static err_t row_new(struct sim_triplets *t, struct row **out)
{
    if (t->n == SIM_TRIPLETS_MAX) return ERR_LIMIT;
    if (t->n == t->cap) {
        unsigned cap = t->cap ? 2 * t->cap : STEP;
        struct row *rows = calloc(cap, sizeof *rows);
        if (!rows) return ERR_NOMEM;
        if (t->n) memcpy(rows, t->rows, t->n * sizeof *rows);
        if (t->rows) wipe(t->rows, t->cap * sizeof *t->rows);
        free(t->rows);
        t->rows = rows;
        t->cap = cap;
    }
    *out = &t->rows[t->n];
    **out = (struct row){0};
    return ERR_OK;
}

// At the end of the field, as numbers are written; shorter ones have zeros in front.
static err_t hex_field(const char *text, uint8_t *out, size_t len)
{
    char even[2 * SIM_RAND_LEN + 2];
    uint8_t raw[SIM_RAND_LEN];
    size_t n = len, digits = strlen(text);
    if (!digits || digits > 2 * len) return ERR_SYNTAX;
    (void)snprintf(even, sizeof even, "%s%s", digits % 2 ? "0" : "", text);
    TRY(hex_read(even, strlen(even), raw, &n));
    wipe(even, sizeof even);
    memset(out, 0, len);
    memcpy(out + len - n, raw, n);
    wipe(raw, sizeof raw);
    return ERR_OK;
}

// Cuts a line into its fields, without blanks around them. What follows them is not looked at.
static unsigned fields_of(char *line, char *field[FIELDS])
{
    unsigned n = 0;
    for (char *at = line; at && n < FIELDS;) {
        char *next = strchr(at, ',');
        if (next) *next++ = 0;
        at += strspn(at, " \t");
        at[strcspn(at, " \t\r\n")] = 0;
        field[n++] = at;
        at = next;
    }
    return n;
}

static err_t line_read(char *line, struct row *row, const char **what)
{
    char *field[FIELDS];
    *what = "it is not IDENTITY,RAND,SRES,KC";
    if (fields_of(line, field) < FIELDS) return ERR_SYNTAX;
    if (sim_name_set(&row->who, span_str(field[0])) != ERR_OK) return ERR_SYNTAX;
    *what = "RAND is no number of up to 32 hex digits";
    TRY(hex_field(field[1], row->t.rand, sizeof row->t.rand));
    *what = "SRES is no number of up to 8 hex digits";
    TRY(hex_field(field[2], row->t.sres, sizeof row->t.sres));
    *what = "Kc is no number of up to 16 hex digits";
    return hex_field(field[3], row->t.kc, sizeof row->t.kc);
}

static err_t rows_read(FILE *f, const char *path, struct sim_triplets *t, struct why *why)
{
    char line[LINE_MAX_LEN];
    unsigned number = 0;
    err_t err = ERR_OK;
    while (err == ERR_OK && fgets(line, sizeof line, f)) {
        const char *what = "there are too many lines";
        struct row *row;
        bool whole = strchr(line, '\n') || feof(f);
        number++;
        line[strcspn(line, "#\r\n")] = 0;
        if (!line[strspn(line, " \t")] && whole) continue;
        err = row_new(t, &row);
        if (err == ERR_OK) err = whole ? line_read(line, row, &what) : ERR_SYNTAX;
        if (err == ERR_OK) t->n++;
        if (err != ERR_OK) err = why_not(why, err, "%.200s:%u: %s", path, number, what);
    }
    wipe(line, sizeof line);
    return err;
}

static int names_compare(span_t a, span_t b)
{
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int rows_compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = names_compare(sim_name_span(&x->who), sim_name_span(&y->who));
    return order ? order : memcmp(x->t.rand, y->t.rand, sizeof x->t.rand);
}

err_t sim_triplets_read(const char *path, struct sim_triplets **out, struct why *why)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        err_t err = errno == ENOENT ? ERR_NOTFOUND : ERR_PERMISSION;
        return why_not(why, err, "%.200s: %s", path, strerror(errno));
    }
    char buffer[4096]; // ours, since it has to be wiped
    struct sim_triplets *t = calloc(1, sizeof *t);
    (void)setvbuf(f, buffer, _IOFBF, sizeof buffer);
    err_t err = t ? rows_read(f, path, t, why) : ERR_NOMEM;
    (void)fclose(f);
    wipe(buffer, sizeof buffer);
    if (err != ERR_OK) {
        sim_triplets_free(t);
        return err;
    }
    if (t->n) qsort(t->rows, t->n, sizeof *t->rows, rows_compare);
    *out = t;
    return ERR_OK;
}

// ---- looking up --------------------------------------------------------------------------------

// The rows of an identity: how many from *first.
static unsigned rows_of(const struct sim_triplets *t, span_t who, unsigned *first)
{
    unsigned low = 0, high = t->n, n = 0;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (names_compare(sim_name_span(&t->rows[middle].who), who) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *first = low;
    while (low + n < t->n && span_eq(sim_name_span(&t->rows[low + n].who), who)) n++;
    return n;
}

static bool is_among(const struct sim_triplet *list, unsigned n, const struct sim_triplet *one)
{
    for (unsigned i = 0; i < n; i++) {
        if (memcmp(list[i].rand, one->rand, sizeof one->rand) == 0) return true;
    }
    return false;
}

err_t sim_triplets_next(struct sim_triplets *t, span_t who, unsigned n, struct sim_triplet *out)
{
    unsigned first, rows = rows_of(t, who, &first), got = 0;
    for (unsigned i = 0; i < rows && got < n; i++) {
        const struct sim_triplet *one = &t->rows[first + (t->turn + i) % rows].t;
        if (!is_among(out, got, one)) out[got++] = *one;
    }
    t->turn += n;
    return got == n ? ERR_OK : ERR_NOTFOUND;
}

err_t sim_triplets_find(const struct sim_triplets *t, span_t who, const uint8_t *rand,
                        struct sim_triplet *out)
{
    unsigned first, rows = rows_of(t, who, &first);
    for (unsigned i = 0; i < rows; i++) {
        *out = t->rows[first + i].t;
        if (!rand || memcmp(out->rand, rand, sizeof out->rand) == 0) return ERR_OK;
    }
    return ERR_NOTFOUND;
}
