// completion.c - pavise completion bash|zsh|fish: the shells' scripts, made of the table of
// commands, and the names that they complete.
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/say.h"
#include "cli/topics.h"

// ---- names ----

static void print_names(const json_t *conns)
{
    size_t i;
    const char *name, *child_name;
    json_t *item, *conn, *child;
    json_array_foreach(conns, i, item)
    {
        json_object_foreach(item, name, conn)
        {
            printf("%s\n", name);
            json_object_foreach(json_object_get(conn, "children"), child_name, child)
            {
                if (child) printf("%s\n", child_name);
            }
        }
    }
}

// Connections and children, one a line; nothing where no daemon can be asked.
static int run_names(const struct args *a)
{
    struct vici_client *c = control_open_quietly(a);
    json_t *conns = c ? control_list(c, "list-conns", "list-conn") : NULL;
    if (conns) print_names(conns);
    json_decref(conns);
    if (c) vici_close(c);
    return CLI_OK;
}

// ---- what stands behind a command ----

static bool takes_names(const struct command *c)
{
    return strstr(c->words, "NAME") || strstr(c->words, "CONNECTION");
}

static bool takes_files(const struct command *c)
{
    return strstr(c->words, "FILE") != NULL;
}

// "a b c" of words that are given literally, "a|b|c"; "" if they are not.
static void add_choices(struct text *t, const struct command *c)
{
    if (strcmp(c->name, "help") == 0) {
        for (const struct command *const *o = command_all; *o; o++) text_add(t, " %s", (*o)->name);
        for (const struct topic *o = topics; o->name; o++) text_add(t, " %s", o->name);
    } else if (strchr(c->words, '|')) {
        for (const char *w = c->words; *w && *w != ' '; w++)
            if (*w != '[' && *w != ']') text_add(t, "%c", *w == '|' ? ' ' : *w);
    }
}

static void add_options(struct text *t, const struct command *c)
{
    for (const struct args_option *o = c->options; o->name; o++) text_add(t, " %s", o->name);
    text_add(t, " --help");
}

// ---- the scripts ----

static void print_bash(void)
{
    printf("_pavise()\n{\n    local cur=${COMP_WORDS[COMP_CWORD]} words=\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"");
    for (const struct command *const *c = command_all; *c; c++) printf("%s ", (*c)->name);
    printf("\"\n    else\n        case ${COMP_WORDS[1]}/$cur in\n");
    for (const struct command *const *c = command_all; *c; c++) {
        AUTO(text) struct text options = {0};
        AUTO(text) struct text choices = {0};
        add_options(&options, *c);
        add_choices(&choices, *c);
        printf("        %s/-*) words=\"%s\" ;;\n", (*c)->name, text_str(&options));
        if (takes_names(*c)) {
            printf("        %s/*) words=$(pavise completion names 2>/dev/null) ;;\n", (*c)->name);
        } else if (choices.len) {
            printf("        %s/*) words=\"%s\" ;;\n", (*c)->name, text_str(&choices));
        }
    }
    printf("        esac\n    fi\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
           "complete -o default -F _pavise pavise\n");
}

static void print_zsh(void)
{
    printf("#compdef pavise\n_pavise()\n{\n    if (( CURRENT == 2 )); then\n        compadd");
    for (const struct command *const *c = command_all; *c; c++) printf(" %s", (*c)->name);
    printf("\n        return\n    fi\n    case $words[2] in\n");
    for (const struct command *const *c = command_all; *c; c++) {
        AUTO(text) struct text options = {0};
        AUTO(text) struct text choices = {0};
        add_options(&options, *c);
        add_choices(&choices, *c);
        printf("    %s)\n        if [[ $PREFIX == -* ]]; then compadd --%s\n", (*c)->name,
               text_str(&options));
        if (takes_names(*c))
            printf("        else compadd -- ${(f)\"$(pavise completion names 2>/dev/null)\"}\n");
        else if (choices.len)
            printf("        else compadd --%s%s\n", *text_str(&choices) == ' ' ? "" : " ",
                   text_str(&choices));
        else if (takes_files(*c))
            printf("        else _files\n");
        printf("        fi ;;\n");
    }
    printf("    esac\n}\ncompdef _pavise pavise\n");
}

// A text within '...' of fish.
static void print_quoted(const char *s)
{
    printf("'");
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\') printf("\\");
        printf("%c", *s);
    }
    printf("'");
}

static void print_fish(void)
{
    printf("complete -c pavise -f\n");
    for (const struct command *const *c = command_all; *c; c++) {
        AUTO(text) struct text choices = {0};
        add_choices(&choices, *c);
        printf("complete -c pavise -n __fish_use_subcommand -a %s -d ", (*c)->name);
        print_quoted((*c)->summary);
        printf("\n");
        for (const struct args_option *o = (*c)->options; o->name; o++) {
            printf("complete -c pavise -n '__fish_seen_subcommand_from %s' -l %s%s -d ", (*c)->name,
                   o->name + 2, o->value ? " -r -F" : "");
            print_quoted(o->help);
            printf("\n");
        }
        printf("complete -c pavise -n '__fish_seen_subcommand_from %s' ", (*c)->name);
        if (takes_names(*c))
            printf("-a '(pavise completion names 2>/dev/null)'\n");
        else if (choices.len)
            printf("-a '%s'\n", text_str(&choices));
        else if (takes_files(*c))
            printf("-F\n");
        else
            printf("-l help\n");
    }
}

// ---- the command ----

static int run(const struct args *a)
{
    const char *what = a->word[0];
    if (strcmp(what, "names") == 0) return run_names(a);
    if (strcmp(what, "bash") == 0) {
        print_bash();
    } else if (strcmp(what, "zsh") == 0) {
        print_zsh();
    } else if (strcmp(what, "fish") == 0) {
        print_fish();
    } else {
        say_error("there is no completion for '%s'", what);
        say_hint("one of bash, zsh, fish");
        return CLI_USAGE;
    }
    return CLI_OK;
}

static const struct args_option options[] = {OPTION_SOCKET, {0}};

const struct command command_completion = {
    .name = "completion",
    .words = "bash|zsh|fish",
    .summary = "a script that completes words of pavise in the shell",
    .about = "Prints a script for the shell, which completes commands, options, and the names of\n"
             "connections and children:\n"
             "  bash   source <(pavise completion bash)         in ~/.bashrc\n"
             "  zsh    source <(pavise completion zsh)          in ~/.zshrc, behind compinit\n"
             "  fish   pavise completion fish | source          in ~/.config/fish/config.fish",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
