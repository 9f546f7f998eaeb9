// up.c - pavise up NAME: negotiates, and tells the story meanwhile.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/act.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/names.h"

static bool up_one(struct vici_client *c, const struct args *a, const char *conn, const char *child)
{
    struct control_act act = {.command = "initiate", .ike = conn, .child = child};
    return act_run(c, a, &act, "up");
}

// All children that negotiate; the IKE SA alone if there are none.
static bool up_conn(struct vici_client *c, const struct args *a, const json_t *list,
                    const char *conn)
{
    size_t i;
    json_t *item, *child;
    const char *name;
    unsigned children = 0;
    bool ok = true;
    json_array_foreach(list, i, item)
    {
        json_object_foreach(json_object_get(json_object_get(item, conn), "children"), name, child)
        {
            const char *mode = json_str(child, "mode");
            if (strcmp(mode, "PASS") == 0 || strcmp(mode, "DROP") == 0) continue;
            children++;
            ok &= up_one(c, a, conn, name);
        }
    }
    return children ? ok : up_one(c, a, conn, NULL);
}

static bool up_name(struct vici_client *c, const struct args *a, const char *name)
{
    json_t *list = control_list(c, "list-conns", "list-conn");
    if (!list) return false;
    struct names names = {list, "children"};
    const char *conn = names_conn_of(&names, name);
    bool ok = false;
    if (conn) {
        ok = up_one(c, a, conn, name);
    } else if (names_have_conn(&names, name)) {
        ok = up_conn(c, a, list, name);
    } else {
        names_unknown(&names, name, "in the configuration of the daemon");
    }
    json_decref(list);
    return ok;
}

static int run(const struct args *a)
{
    return act_each(a, up_name);
}

static const struct args_option options[] = {ACT_OPTIONS, {0}};

const struct command command_up = {
    .name = "up",
    .words = "NAME...",
    .summary = "negotiates a tunnel: a child, or all children of a connection",
    .about =
        "Asks pavise-iked to negotiate the child NAME, or every child of the connection NAME,\n"
        "and prints the story of the negotiation while it happens. The exit status is 0 when\n"
        "the tunnel is up.",
    .options = options,
    .words_min = 1,
    .words_max = ARGS_WORDS_MAX,
    .run = run,
};
