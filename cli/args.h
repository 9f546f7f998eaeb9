// args.h - the words behind a subcommand: options by a table, everything else in order.
#pragma once

#include <stdbool.h>

#include "base/err.h"

#define ARGS_WORDS_MAX 64
#define ARGS_OPTIONS_MAX 12

struct args_option {
    const char *name;  // "--json"
    const char *value; // what it takes, for --help: "PATH"; NULL: nothing
    const char *help;
};

struct args {
    const struct args_option *options;   // ends with a NULL name
    const char *given[ARGS_OPTIONS_MAX]; // parallel to options; "" for one without a value
    const char *word[ARGS_WORDS_MAX];
    unsigned words;
    bool help; // --help or -h was among them
};

// Errors: ERR_SYNTAX, with a sentence that names the nearest option.
err_t args_read(char *const *argv, const struct args_option *options, struct args *out,
                struct why *why);
// The option's value ("" for one without), or NULL if it was not given.
const char *args_get(const struct args *a, const char *name);
