// help.c - pavise help [COMMAND|TOPIC].
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/page.h"
#include "cli/paint.h"
#include "cli/say.h"
#include "cli/topics.h"

#define NAMES_MAX 64
#define LEFT 23 // columns of a command; what is longer has a line of its own

static void print_all(void)
{
    printf("%spavise%s - IPsec that one can see through\n\n", paint(BOLD), paint(PLAIN));
    printf("Usage: pavise COMMAND [OPTION...]\n\n");
    for (const struct command *const *c = command_all; *c; c++) {
        char left[64];
        (void)snprintf(left, sizeof left, "%s %s", (*c)->name, (*c)->words);
        printf("  %s%-*s%s", paint(BOLD), LEFT, left, paint(PLAIN));
        if (strlen(left) > LEFT) printf("\n  %*s", LEFT, "");
        printf(" %s\n", (*c)->summary);
    }
    printf("\n'pavise help COMMAND' tells more about one, 'pavise help topics' lists words of "
           "IPsec that are\n"
           "explained. Manual: pavise(8), configuration: pavise-swanctl.conf(5).\n");
}

static void print_topics(void)
{
    for (const struct topic *t = topics; t->name; t++)
        printf("  %s%-14s%s %s\n", paint(BOLD), t->name, paint(PLAIN), t->title);
}

static const struct topic *topic_find(const char *name)
{
    for (const struct topic *t = topics; t->name; t++) {
        if (strcmp(t->name, name) == 0) return t;
    }
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[NAMES_MAX + 1] = {0};
    size_t n = 0;
    for (const struct command *const *c = command_all; *c && n < NAMES_MAX; c++)
        names[n++] = (*c)->name;
    for (const struct topic *t = topics; t->name && n < NAMES_MAX; t++) names[n++] = t->name;
    const char *near = nearest(name, names);
    say_error("'%s' is neither a command nor a topic", name);
    if (near) say_hint("did you mean 'pavise help %s'?", near);
    if (!near) say_hint("'pavise help' and 'pavise help topics' list them");
    return CLI_USAGE;
}

static int run(const struct args *a)
{
    if (a->words == 0) {
        print_all();
        return CLI_OK;
    }
    const char *name = a->word[0];
    const struct command *c = command_find(name);
    const struct topic *t = topic_find(name);
    if (c) {
        command_usage(c);
    } else if (t) {
        printf("%s%s%s - %s\n\n", paint(BOLD), t->name, paint(PLAIN), t->title);
        page_print(0, "", t->text);
        printf("\ntry: %s\n", t->command);
    } else if (strcmp(name, "topics") == 0) {
        print_topics();
    } else {
        return unknown(name);
    }
    return CLI_OK;
}

static const struct args_option options[] = {{0}};

const struct command command_help = {
    .name = "help",
    .words = "[COMMAND|TOPIC]",
    .summary = "this overview, what a command does, or what a word means",
    .about =
        "Lists all commands, or explains one; 'pavise help topics' lists words of IPsec that it\n"
        "explains, each with a command to try.",
    .options = options,
    .words_max = 1,
    .run = run,
};
