// main.c - pavise, the command: asks the daemons, explains what they say.
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/say.h"

// What people try before they read the help.
static const char *plain_name(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) return "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) return "version";
    return word;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)command_run(&command_help, argv + argc);
        return CLI_USAGE;
    }
    const char *name = plain_name(argv[1]);
    const struct command *c = command_find(name);
    int status = c ? command_run(c, argv + 2) : command_unknown(name);
    if (fflush(stdout) == 0) return status;
    say_error("cannot write the output");
    return CLI_FAILED;
}
