// conns.c - pavise conns: what the daemon has loaded.
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/control.h"
#include "cli/human.h"
#include "cli/json.h"
#include "cli/paint.h"

#define JOINED_MAX 1024 // bytes of a joined list

static const char *rekeys(const json_t *j, char buf[HUMAN_MAX])
{
    uint64_t s = json_u64(j, "rekey_time");
    return s ? human_seconds(s, buf) : "never";
}

// Every round of one side (RFC 4739).
static void print_sides(const char *what, const json_t *conn, const char *name)
{
    for (unsigned round = 1;; round++) {
        char key[32];
        (void)snprintf(key, sizeof key, "%s-%u", name, round);
        const json_t *side = json_object_get(conn, key);
        if (!side) return;
        const char *id = json_str(side, "id");
        printf("    %-8s %s, %s\n", round > 1 ? "  and" : what, *id ? id : "%any",
               json_str(side, "class"));
    }
}

static void print_child(const char *name, const json_t *child)
{
    char local[JOINED_MAX], remote[JOINED_MAX], age[HUMAN_MAX];
    const char *mode = json_str(child, "mode");
    printf("    %schild %s%s  %s\n", paint(BOLD), name, paint(PLAIN), mode);
    printf("      %s <-> %s\n", json_words(json_object_get(child, "local-ts"), local, sizeof local),
           json_words(json_object_get(child, "remote-ts"), remote, sizeof remote));
    if (strcmp(mode, "PASS") == 0 || strcmp(mode, "DROP") == 0) return;
    printf("      new keys every %s\n", rekeys(child, age));
}

static void print_conn(const char *name, const json_t *conn)
{
    char local[JOINED_MAX], remote[JOINED_MAX], age[HUMAN_MAX];
    const char *child_name;
    json_t *child;
    printf("%s%s%s  %s\n", paint(BOLD), name, paint(PLAIN), json_str(conn, "version"));
    printf("    %s <-> %s, new keys every %s\n",
           json_words(json_object_get(conn, "local_addrs"), local, sizeof local),
           json_words(json_object_get(conn, "remote_addrs"), remote, sizeof remote),
           rekeys(conn, age));
    print_sides("we are", conn, "local");
    print_sides("peer is", conn, "remote");
    json_object_foreach(json_object_get(conn, "children"), child_name, child)
    {
        print_child(child_name, child);
    }
}

static void print_all(json_t *list)
{
    size_t i;
    const char *name;
    json_t *item, *conn;
    json_array_foreach(list, i, item)
    {
        json_object_foreach(item, name, conn) print_conn(name, conn);
    }
    if (json_array_size(list) == 0) printf("no connections are configured\n");
}

static int run(const struct args *a)
{
    struct vici_client *c = control_open(a);
    json_t *list = c ? control_list(c, "list-conns", "list-conn") : NULL;
    vici_close(c);
    if (!list) return CLI_FAILED;
    if (args_get(a, "--json")) {
        json_print(list);
        return CLI_OK;
    }
    print_all(list);
    json_decref(list);
    return CLI_OK;
}

static const struct args_option options[] = {OPTION_JSON, OPTION_SOCKET, {0}};

const struct command command_conns = {
    .name = "conns",
    .words = "",
    .summary = "the connections that the daemon has loaded",
    .about = "Lists the connections of the running pavise-iked with their children.",
    .options = options,
    .run = run,
};
