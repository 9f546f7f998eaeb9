// pools.c - pavise pools: virtual addresses and who has them.
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/paint.h"
#include "vici/msg.h"

static void print_lease(const json_t *lease)
{
    bool online = strcmp(json_str(lease, "status"), "online") == 0;
    printf("    %-40s %s%s%s  %s\n", json_str(lease, "address"), paint(online ? GREEN : PLAIN),
           online ? "in use" : "kept  ", paint(PLAIN), json_str(lease, "identity"));
}

static void print_pool(const char *name, const json_t *pool)
{
    const char *key;
    json_t *lease;
    printf("%s%s%s  from %s, %llu in use, %llu kept for who had them, of %llu\n", paint(BOLD), name,
           paint(PLAIN), json_str(pool, "base"), (unsigned long long)json_u64(pool, "online"),
           (unsigned long long)json_u64(pool, "offline"),
           (unsigned long long)json_u64(pool, "size"));
    json_object_foreach(json_object_get(pool, "leases"), key, lease) print_lease(lease);
}

static json_t *ask(const struct args *a)
{
    struct vici_client *c = control_open(a);
    struct vici_msg m = {0};
    if (!c) return NULL;
    vici_kv(&m, "leases", "yes");
    json_t *answer = control_ask(c, "get-pools", &m);
    vici_msg_done(&m);
    vici_close(c);
    return answer;
}

static int run(const struct args *a)
{
    const char *name;
    json_t *pool, *answer = ask(a);
    if (!answer) return CLI_FAILED;
    if (args_get(a, "--json")) {
        json_print(answer);
        return CLI_OK;
    }
    json_object_foreach(answer, name, pool) print_pool(name, pool);
    if (json_object_size(answer) == 0) printf("no pools are configured\n");
    json_decref(answer);
    return CLI_OK;
}

static const struct args_option options[] = {OPTION_JSON, OPTION_SOCKET, {0}};

const struct command command_pools = {
    .name = "pools",
    .words = "",
    .summary = "virtual addresses, and which client has which",
    .about = "Lists the address pools of the running pavise-iked and their leases. An address that "
             "is\nkept goes to its owner again, or to others when nothing else is left.",
    .options = options,
    .run = run,
};
