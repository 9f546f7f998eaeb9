// reload.c - pavise reload: the daemon reads its configuration again, all of it or nothing.
#include <stdio.h>

#include "cli/command.h"
#include "cli/control.h"
#include "cli/json.h"

static int run(const struct args *a)
{
    struct vici_client *c = control_open(a);
    json_t *answer = c ? control_ask(c, "reload-settings", NULL) : NULL;
    bool ok = control_succeeded(answer);
    vici_close(c);
    if (answer && args_get(a, "--json")) {
        json_print(json_incref(answer));
    } else if (ok) {
        printf("the configuration is in force\n");
    }
    json_decref(answer);
    return ok ? CLI_OK : CLI_FAILED;
}

static const struct args_option options[] = {OPTION_JSON, OPTION_SOCKET, {0}};

const struct command command_reload = {
    .name = "reload",
    .words = "",
    .summary = "the daemon reads its configuration again",
    .about =
        "All of it comes into force or nothing: with a mistake in it (a missing brace, say) the\n"
        "exit status is 1, the mistake is named, and what was in force stays. What only VICI\n"
        "clients have loaded stays, too. 'pavise check' finds all mistakes beforehand.",
    .options = options,
    .run = run,
};
