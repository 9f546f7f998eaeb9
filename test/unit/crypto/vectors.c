#include "test/unit/crypto/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "test/check.h"

static struct arena memory;
static json_t *files; // array that owns what was read

static FILE *vectors_open(const char *name)
{
    char path[512];
    const char *folder = getenv("VECTORS");
    if (!folder) fail_msg("VECTORS does not say where the vectors are");
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("cannot read %s", path);
    return f;
}

static json_t *keep(json_t *j)
{
    if (!files) files = json_array();
    CHECK_EQ(json_array_append_new(files, j), 0);
    return j;
}

json_t *vectors_json(const char *name)
{
    json_error_t why;
    FILE *f = vectors_open(name);
    json_t *j = json_loadf(f, 0, &why);
    fclose(f);
    if (!j) fail_msg("%s:%d: %s", name, why.line, why.text);
    return keep(j);
}

void vectors_done(void)
{
    arena_done(&memory);
    json_decref(files);
    files = NULL;
}

const char *vectors_str(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    if (!s) fail_msg("no string \"%s\"", key);
    return s;
}

unsigned vectors_int(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_integer(v)) fail_msg("no number \"%s\"", key);
    return (unsigned)json_integer_value(v);
}

bool vectors_is(const json_t *object, const char *key, const char *value)
{
    return !strcmp(vectors_str(object, key), value);
}

span_t vectors_hex(const json_t *object, const char *key)
{
    const char *hex = vectors_str(object, key);
    size_t digits = strlen(hex), len = digits / 2;
    uint8_t *to = arena_get(&memory, len + 1);
    CHECK_OK(hex_read(hex, digits, to, &len));
    return span(to, len);
}

static void report(const char *name, unsigned ran, unsigned skipped)
{
    print_message("# %s: %u cases, %u do not apply\n", name, ran, skipped);
    CHECK(ran > 0);
}

void vectors_wycheproof(const char *name, vectors_case_fn *fn, const void *ctx)
{
    unsigned count[2] = {0};
    size_t i, k;
    json_t *group, *test;
    json_array_foreach(json_object_get(vectors_json(name), "testGroups"), i, group)
    {
        json_array_foreach(json_object_get(group, "tests"), k, test)
        {
            count[fn(ctx, group, test)]++;
        }
    }
    report(name, count[1], count[0]);
}

void vectors_each(const char *name, const json_t *array, vectors_case_fn *fn, const void *ctx)
{
    unsigned count[2] = {0};
    for (size_t i = 0; i < json_array_size(array); i++) {
        count[fn(ctx, NULL, json_array_get(array, i))]++;
    }
    report(name, count[1], count[0]);
}

// Puts "NAME = value" into the block; true if the line was one.
static bool block_add(json_t *block, char *line)
{
    char *value = strstr(line, " = ");
    if (line[0] == '#' || !value) return false;
    *value = 0;
    value += 3;
    value[strcspn(value, "\r\n")] = 0;
    json_object_set_new(block, line, json_string(value));
    return true;
}

void vectors_blocks(const char *name, vectors_case_fn *fn, const void *ctx)
{
    static char line[16384];
    json_t *blocks = keep(json_array()), *block = NULL;
    FILE *f = vectors_open(name);
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#') continue;
        if (!block) block = json_object();
        if (block_add(block, line) || json_object_size(block) == 0) continue;
        json_array_append_new(blocks, block);
        block = NULL;
    }
    fclose(f);
    if (block && json_object_size(block) > 0) json_array_append(blocks, block);
    json_decref(block);
    vectors_each(name, blocks, fn, ctx);
}
