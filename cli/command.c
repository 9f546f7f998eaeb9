#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/paint.h"
#include "cli/say.h"

const struct command *const command_all[] = {
    &command_check,   &command_up,     &command_down,
    &command_rekey,   &command_status, &command_conns,
    &command_pools,   &command_lookip, &command_whitelist,
    &command_list,    &command_reload, &command_xfrm,
    &command_log,     &command_top,    &command_explain,
    &command_trace,   &command_decode, &command_completion,
    &command_version, &command_help,   NULL,
};

const struct command *command_find(const char *name)
{
    for (const struct command *const *c = command_all; *c; c++) {
        if (strcmp((*c)->name, name) == 0) return *c;
    }
    return NULL;
}

int command_unknown(const char *name)
{
    const char *names[sizeof command_all / sizeof *command_all] = {0};
    for (size_t i = 0; command_all[i]; i++) names[i] = command_all[i]->name;
    const char *near = nearest(name, names);
    if (near) say_error("unknown command '%s'; did you mean 'pavise %s'?", name, near);
    if (!near) say_error("unknown command '%s'; 'pavise help' lists them", name);
    return CLI_USAGE;
}

void command_usage(const struct command *c)
{
    printf("%spavise %s%s%s%s - %s\n\n%s\n", paint(BOLD), c->name, *c->words ? " " : "", c->words,
           paint(PLAIN), c->summary, c->about);
    if (c->options[0].name) printf("\nOptions:\n");
    for (const struct args_option *o = c->options; o->name; o++) {
        char left[64];
        (void)snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "",
                       o->value ? o->value : "");
        printf("  %-20s %s\n", left, o->help);
    }
}

int command_run(const struct command *c, char *const *argv)
{
    struct args a;
    struct why why = {{0}};
    if (args_read(argv, c->options, &a, &why) != ERR_OK) {
        say_error("%s", why.text);
        say_hint("see 'pavise %s --help'", c->name);
        return CLI_USAGE;
    }
    if (a.help) {
        command_usage(c);
        return CLI_OK;
    }
    if (a.words < c->words_min || a.words > c->words_max) {
        say_error("%s: pavise %s %s", a.words < c->words_min ? "too few words" : "too many words",
                  c->name, c->words);
        say_hint("see 'pavise %s --help'", c->name);
        return CLI_USAGE;
    }
    return c->run(&a);
}
