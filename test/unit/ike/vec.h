// vec.h - test vectors as text: "[name]" begins a case, "key value" lines follow, '#' comments.
#pragma once

#include <stdio.h>

#include "test/unit/ike/hex.h"

#define VEC_FIELDS 16
struct vec {
    char name[64];
    unsigned n;
    struct {
        char key[32];
        char *value;
    } field[VEC_FIELDS];
};

static inline const char *vec_text(const struct vec *v, const char *key)
{
    for (unsigned i = 0; i < v->n; i++) {
        if (!strcmp(v->field[i].key, key)) return v->field[i].value;
    }
    return "";
}

static inline unsigned vec_number(const struct vec *v, const char *key)
{
    return (unsigned)strtoul(vec_text(v, key), NULL, 10);
}

// The value as bytes, in a buffer of the calling block.
#define VEC_HEX(v, key) HEX(vec_text(v, key))

static inline void vec_reset(struct vec *v)
{
    for (unsigned i = 0; i < v->n; i++) free(v->field[i].value);
    v->n = 0;
}

static inline void vec_line(struct vec *v, char *line)
{
    char *value = strchr(line, ' ');
    assert_non_null(value);
    *value++ = 0;
    assert_true(v->n < VEC_FIELDS && strlen(line) < sizeof v->field[0].key);
    (void)snprintf(v->field[v->n].key, sizeof v->field[0].key, "%s", line);
    v->field[v->n].value = strdup(value);
    assert_non_null(v->field[v->n++].value);
}

// Calls fn for each case of a file below $VECTORS; returns how many there were.
static inline unsigned vec_each(const char *file, void (*fn)(const struct vec *v))
{
    char path[512];
    static char line[16384];
    unsigned count = 0;
    struct vec v = {0};
    const char *dir = getenv("VECTORS");
    (void)snprintf(path, sizeof path, "%s/%s", dir ? dir : "test/vectors", file);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == 0 || line[0] == '#') continue;
        if (line[0] != '[') {
            vec_line(&v, line);
            continue;
        }
        if (v.n) fn(&v);
        vec_reset(&v);
        (void)snprintf(v.name, sizeof v.name, "%.*s", (int)strcspn(line + 1, "]"), line + 1);
        count++;
    }
    if (v.n) fn(&v);
    vec_reset(&v);
    (void)fclose(f);
    return count;
}
