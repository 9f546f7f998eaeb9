// include.h - finding and reading the files of a configuration.
#pragma once

#include "conf/parse.h"

// The text of a file in the tree's arena. Errors: ERR_NOTFOUND, ERR_PERMISSION, ERR_SYSTEM,
// ERR_LIMIT (larger than `max`), ERR_NOMEM.
err_t include_read(struct tree *t, const char *path, size_t max, span_t *out);
// Reads every file that the pattern of an include statement means into the section `in`.
// Mistakes are reported. Errors: ERR_LIMIT, ERR_NOMEM.
err_t include_pattern(struct parser *p, struct node *in, const struct value *pattern);

// In parse.c: reads one file into a section. `at`: the include statement.
err_t parse_included(struct parser *p, struct node *in, const char *path, struct place at);
