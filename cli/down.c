// down.c - pavise down NAME: ends tunnels.
#include <stdio.h>

#include "cli/act.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/names.h"

static bool down_name(struct vici_client *c, const struct args *a, const char *name)
{
    json_t *list = control_list(c, "list-sas", "list-sa");
    if (!list) return false;
    struct names names = {list, "child-sas"};
    struct control_act act = {.command = "terminate", .force = args_get(a, "--force") != NULL};
    if (names_conn_of(&names, name)) act.child = name;
    if (!act.child && names_have_conn(&names, name)) act.ike = name;
    bool ok = false;
    if (act.child || act.ike) ok = act_run(c, a, &act, "down");
    if (!act.child && !act.ike) names_unknown(&names, name, "among the tunnels that are up");
    json_decref(list);
    return ok;
}

static int run(const struct args *a)
{
    return act_each(a, down_name);
}

static const struct args_option options[] = {
    {"--force", NULL, "end it now; the peer is told, but not waited for"}, ACT_OPTIONS, {0}};

const struct command command_down = {
    .name = "down",
    .words = "NAME...",
    .summary = "ends a tunnel: a child, or a connection with all its children",
    .about =
        "Asks pavise-iked to end the child SAs called NAME, or the IKE SAs called NAME with all\n"
        "their children, and prints the story while it happens. The peer is told; one that does\n"
        "not answer is given up after the retransmissions (about three minutes), or with --force "
        "at once.",
    .options = options,
    .words_min = 1,
    .words_max = ARGS_WORDS_MAX,
    .run = run,
};
