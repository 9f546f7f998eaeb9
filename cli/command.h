// command.h - the subcommands of pavise: one file each, one table of all (command.c).
#pragma once

#include "cli/args.h"
#include "vici/client.h" // VICI_SOCKET

// Exit status.
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct command {
    const char *name, *words, *summary; // words: "FILE..."
    const char *about;                  // the paragraph of --help
    const struct args_option *options;  // ends with a NULL name
    unsigned words_min, words_max;
    int (*run)(const struct args *a); // exit status
};

extern const struct command command_check, command_up, command_down, command_rekey, command_status,
    command_conns, command_pools, command_lookip, command_whitelist, command_list, command_reload,
    command_xfrm, command_log, command_top, command_explain, command_trace, command_decode,
    command_completion, command_version, command_help;

// All of them, NULL-terminated, in the order of the help.
extern const struct command *const command_all[];

const struct command *command_find(const char *name); // NULL: see command_unknown
// Says so, with the nearest name. Returns CLI_USAGE.
int command_unknown(const char *name);
void command_usage(const struct command *c); // its --help, on stdout
// Reads the words behind the subcommand and runs it.
int command_run(const struct command *c, char *const *argv);

// Options that several have.
#define OPTION_JSON                               \
    {                                             \
        "--json", NULL, "machine-readable output" \
    }
#define OPTION_SOCKET                                                              \
    {                                                                              \
        "--vici-socket", "PATH", "control socket of pavise-iked (" VICI_SOCKET ")" \
    }
