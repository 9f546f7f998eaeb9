// Options, words, and what people mistype.
#include <string.h>

#include "cli/args.h"
#include "cli/command.h"
#include "test/check.h"

static const struct args_option options[] = {
    {"--json", NULL, ""}, {"--timeout", "SECONDS", ""}, {"--vici-socket", "PATH", ""}, {0}};

static err_t read_words(struct args *out, struct why *why, const char *const *words)
{
    char *argv[16] = {0};
    static char copy[16][64];
    for (unsigned i = 0; words[i]; i++) argv[i] = strcpy(copy[i], words[i]);
    return args_read(argv, options, out, why);
}
#define READ(out, why, ...) read_words(out, why, (const char *const[]){__VA_ARGS__, NULL})

static void words_and_options_mix(void **state)
{
    (void)state;
    struct args a;
    struct why why = {{0}};
    CHECK_OK(READ(&a, &why, "one", "--timeout", "5", "two", "--json", "--vici-socket=/x", "-"));
    CHECK_EQ(a.words, 3);
    CHECK_STR(a.word[0], "one");
    CHECK_STR(a.word[1], "two");
    CHECK_STR(a.word[2], "-");
    CHECK_STR(args_get(&a, "--timeout"), "5");
    CHECK_STR(args_get(&a, "--vici-socket"), "/x");
    CHECK_STR(args_get(&a, "--json"), "");
    CHECK(!a.help);
}

static void two_dashes_end_options(void **state)
{
    (void)state;
    struct args a;
    CHECK_OK(READ(&a, NULL, "--", "--json", "-x"));
    CHECK_EQ(a.words, 2);
    CHECK(args_get(&a, "--json") == NULL);
}

static void help_wins(void **state)
{
    (void)state;
    struct args a;
    CHECK_OK(READ(&a, NULL, "x", "--help"));
    CHECK(a.help);
    CHECK_OK(READ(&a, NULL, "-h"));
    CHECK(a.help);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    struct args a;
    struct why why = {{0}};
    CHECK_EQ(READ(&a, &why, "--jsno"), ERR_SYNTAX);
    CHECK_STR(why.text, "unknown option '--jsno'; did you mean --json?");
    CHECK_EQ(READ(&a, &why, "--frobnicate"), ERR_SYNTAX);
    CHECK_STR(why.text, "unknown option '--frobnicate'");
    CHECK_EQ(READ(&a, &why, "--timeout"), ERR_SYNTAX);
    CHECK_STR(why.text, "--timeout needs a value: --timeout SECONDS");
    CHECK_EQ(READ(&a, &why, "--json=yes"), ERR_SYNTAX);
    CHECK_STR(why.text, "--json takes no value");
}

static void every_command_explains_itself(void **state)
{
    (void)state;
    unsigned n = 0;
    for (const struct command *const *c = command_all; *c; c++, n++) {
        CHECK(command_find((*c)->name) == *c);
        CHECK((*c)->summary && (*c)->about && (*c)->run && (*c)->words && (*c)->options);
        CHECK((*c)->words_min <= (*c)->words_max);
        unsigned count = 0;
        while ((*c)->options[count].name) count++;
        CHECK(count <= ARGS_OPTIONS_MAX);
    }
    CHECK_EQ(n, 20);
    CHECK(command_find("chek") == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_options_mix),
        cmocka_unit_test(two_dashes_end_options),
        cmocka_unit_test(help_wins),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(every_command_explains_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
