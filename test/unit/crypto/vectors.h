// vectors.h - reads the files of test/vectors. Everything fails the test if a file is not as
// expected; what is returned lives until vectors_done().
#pragma once

#include <jansson.h>

#include "base/cursor.h"

json_t *vectors_json(const char *name);                    // borrowed
span_t vectors_hex(const json_t *object, const char *key); // the key must be there
const char *vectors_str(const json_t *object, const char *key);
unsigned vectors_int(const json_t *object, const char *key);
bool vectors_is(const json_t *object, const char *key, const char *value);
void vectors_done(void);

// All tests of a Wycheproof file. fn returns whether it ran the case. The sums are printed, and at
// least one case must have run.
typedef bool vectors_case_fn(const void *ctx, const json_t *group, const json_t *test);
void vectors_wycheproof(const char *name, vectors_case_fn *fn, const void *ctx);
// The same for each object in the array.
void vectors_each(const char *name, const json_t *array, vectors_case_fn *fn, const void *ctx);
// A file of "NAME = value" blocks (NIST): every block is handed over as an object.
void vectors_blocks(const char *name, vectors_case_fn *fn, const void *ctx);
