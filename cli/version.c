// version.c - pavise version: ours, and that of the daemon if it runs.
#include <stdio.h>

#include "cli/command.h"
#include "cli/control.h"
#include "cli/json.h"
#include "vici/client.h"

static int run(const struct args *a)
{
    const char *path = args_get(a, "--vici-socket");
    struct vici_client *c = NULL;
    json_t *daemon = NULL;
    if (vici_connect(path ? path : VICI_SOCKET, &c, NULL) == ERR_OK) {
        daemon = control_ask(c, "version", NULL);
        vici_close(c);
    }
    if (args_get(a, "--json")) {
        json_print(json_pack("{s:s, s:o?}", "pavise", PAVISE_VERSION, "daemon", daemon));
        return CLI_OK;
    }
    printf("pavise %s\n", PAVISE_VERSION);
    if (daemon) printf("%s %s\n", json_str(daemon, "daemon"), json_str(daemon, "version"));
    if (!daemon) printf("pavise-iked is not running\n");
    json_decref(daemon);
    return CLI_OK;
}

static const struct args_option options[] = {OPTION_SOCKET, OPTION_JSON, {0}};

const struct command command_version = {
    .name = "version",
    .words = "",
    .summary = "the versions of pavise and of the daemon",
    .about = "Prints the version of this command, and of the daemon if one runs.",
    .options = options,
    .run = run,
};
