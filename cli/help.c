// help.c - pavise help [COMMAND].
#include <stdio.h>

#include "cli/command.h"
#include "cli/paint.h"

static void print_all(void)
{
    printf("%spavise%s - IPsec that one can see through\n\n", paint(BOLD), paint(PLAIN));
    printf("Usage: pavise COMMAND [OPTION...]\n\n");
    for (const struct command *const *c = command_all; *c; c++) {
        char left[48];
        (void)snprintf(left, sizeof left, "%s %s", (*c)->name, (*c)->words);
        printf("  %s%-34s%s %s\n", paint(BOLD), left, paint(PLAIN), (*c)->summary);
    }
    printf("\n'pavise help COMMAND' tells more about one. Manual: pavise(8),\n"
           "configuration: pavise-swanctl.conf(5).\n");
}

static int run(const struct args *a)
{
    if (a->words == 0) {
        print_all();
        return CLI_OK;
    }
    const struct command *c = command_find(a->word[0]);
    if (!c) return command_unknown(a->word[0]);
    command_usage(c);
    return CLI_OK;
}

static const struct args_option options[] = {{0}};

const struct command command_help = {
    .name = "help",
    .words = "[COMMAND]",
    .summary = "this overview, or what a command does",
    .about = "Lists all commands, or explains one.",
    .options = options,
    .words_max = 1,
    .run = run,
};
