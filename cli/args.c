#include "cli/args.h"

#include <string.h>

#include "base/text.h"

static int option_index(const struct args_option *options, const char *name, size_t n)
{
    for (int i = 0; options[i].name; i++) {
        if (strlen(options[i].name) == n && strncmp(options[i].name, name, n) == 0) return i;
    }
    return -1;
}

static err_t unknown_option(const struct args_option *options, const char *word, struct why *why)
{
    const char *names[ARGS_OPTIONS_MAX + 2] = {"--help"};
    for (int i = 0; options[i].name; i++) names[i + 1] = options[i].name;
    const char *near = nearest(word, names);
    if (near) return why_not(why, ERR_SYNTAX, "unknown option '%s'; did you mean %s?", word, near);
    return why_not(why, ERR_SYNTAX, "unknown option '%s'", word);
}

// Reads one option; *at stands on its word and is moved to its value if that is a word of its own.
static err_t read_option(char *const **at, struct args *out, struct why *why)
{
    const char *word = **at, *equals = strchr(word, '=');
    size_t n = equals ? (size_t)(equals - word) : strlen(word);
    int i = option_index(out->options, word, n);
    if (i < 0) return unknown_option(out->options, word, why);
    const char *name = out->options[i].name;
    if (!out->options[i].value) {
        if (equals) return why_not(why, ERR_SYNTAX, "%s takes no value", name);
        out->given[i] = "";
        return ERR_OK;
    }
    out->given[i] = equals ? equals + 1 : *++*at;
    if (out->given[i]) return ERR_OK;
    --*at;
    return why_not(why, ERR_SYNTAX, "%s needs a value: %s %s", name, name, out->options[i].value);
}

err_t args_read(char *const *argv, const struct args_option *options, struct args *out,
                struct why *why)
{
    *out = (struct args){.options = options};
    bool only_words = false;
    for (; *argv; argv++) {
        bool option = !only_words && argv[0][0] == '-' && argv[0][1];
        if (option && strcmp(*argv, "--") == 0) {
            only_words = true;
            continue;
        }
        if (option && (strcmp(*argv, "--help") == 0 || strcmp(*argv, "-h") == 0)) {
            out->help = true;
            continue;
        }
        if (option) {
            TRY(read_option(&argv, out, why));
            continue;
        }
        if (out->words == ARGS_WORDS_MAX) return why_not(why, ERR_LIMIT, "too many arguments");
        out->word[out->words++] = *argv;
    }
    return ERR_OK;
}

const char *args_get(const struct args *a, const char *name)
{
    int i = option_index(a->options, name, strlen(name));
    return i < 0 ? NULL : a->given[i];
}
