// xfrm.c - pavise xfrm state|policy|stat|explain|monitor: what the executor holds, over
// NETLINK_XFRM.
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/paint.h"
#include "cli/say.h"
#include "cli/stat.h"
#include "cli/stat_kernel.h"
#include "cli/xfrm_monitor.h"
#include "cli/xfrm_show.h"

struct listing {
    struct fields fields;
    json_t *json; // NULL: for people
    unsigned n;
};

static bool on_sa(void *arg, const struct xfrm_sa *sa)
{
    struct listing *l = arg;
    if (l->fields.explain && l->n) printf("\n");
    l->n++;
    if (l->json) json_add(l->json, xfrm_show_sa_json(sa, l->fields.keys));
    if (!l->json) xfrm_show_sa(&l->fields, sa);
    return true;
}

static bool on_policy(void *arg, const struct xfrm_policy *p)
{
    struct listing *l = arg;
    if (l->fields.explain && l->n) printf("\n");
    l->n++;
    if (l->json) json_add(l->json, xfrm_show_policy_json(p));
    if (!l->json) xfrm_show_policy(&l->fields, p);
    return true;
}

static void title(const char *what, const char *meaning)
{
    printf("%s%s%s - %s\n", paint(CYAN), what, paint(PLAIN), meaning);
}

static err_t list_states(struct xfrm_api api, struct listing *l)
{
    l->n = 0;
    if (l->fields.explain) {
        title("States",
              "security associations (SAs): how packets are protected, one for each direction");
    }
    err_t e = api.ops->sa_each(api.ctx, on_sa, l);
    if (e == ERR_OK && l->fields.explain && !l->n) printf("(none: no tunnel is up)\n");
    return e;
}

static err_t list_policies(struct xfrm_api api, struct listing *l)
{
    l->n = 0;
    if (l->fields.explain) {
        title("\nPolicies",
              "which packets must be protected; all others pass as if there were no IPsec");
    }
    err_t e = api.ops->policy_each(api.ctx, on_policy, l);
    if (e == ERR_OK && l->fields.explain && !l->n) printf("(none: nothing is protected)\n");
    return e;
}

static struct xfrm_client *open_client(const struct args *a)
{
    bool kernel = args_get(a, "--kernel") != NULL;
    struct xfrm_client_options o = {.peer = kernel ? XFRM_PEER_KERNEL : XFRM_PEER_XFRMD,
                                    .name = args_get(a, "--socket")};
    struct xfrm_client *c = NULL;
    struct why why = {{0}};
    err_t e = xfrm_client_open_with(&o, NULL, NULL, NULL, &c, &why);
    if (e == ERR_OK) return c;
    say_error("%s", why.text[0] ? why.text : err_text(e));
    if (e == ERR_PERMISSION) {
        say_hint("run this command as root");
    } else if (!kernel) {
        say_hint("start pavise-xfrmd (it listens on %s), or ask the kernel with --kernel",
                 o.name ? o.name : XFRMD_SOCKET);
    }
    return NULL;
}

static int list(const struct args *a, bool states, bool policies, bool explain)
{
    struct xfrm_client *c = open_client(a);
    if (!c) return CLI_FAILED;
    struct listing l = {.fields = {.explain = explain, .keys = args_get(a, "--show-keys") != NULL}};
    if (args_get(a, "--json")) l.json = json_array();
    if (l.json) l.fields.explain = false;
    struct xfrm_api api = xfrm_client_api(c);
    err_t e = states ? list_states(api, &l) : ERR_OK;
    if (e == ERR_OK && policies) e = list_policies(api, &l);
    xfrm_client_close(c);
    if (l.json) json_print(l.json);
    if (e == ERR_OK) return CLI_OK;
    say_error("the list is not complete: %s", err_text(e));
    return CLI_FAILED;
}

static int run_state(const struct args *a)
{
    return list(a, true, false, args_get(a, "--explain") != NULL);
}

static int run_policy(const struct args *a)
{
    return list(a, false, true, args_get(a, "--explain") != NULL);
}

static int run_explain(const struct args *a)
{
    return list(a, true, true, true);
}

static int run_stat_kernel(const struct args *a)
{
    json_t *j = NULL;
    struct why why = {{0}};
    if (stat_kernel_read(STAT_KERNEL_FILE, &j, &why) != ERR_OK) {
        say_error("%s", why.text);
        return CLI_FAILED;
    }
    if (args_get(a, "--json")) {
        json_print(j);
        return CLI_OK;
    }
    stat_kernel_print(j);
    json_decref(j);
    return CLI_OK;
}

static int run_stat(const struct args *a)
{
    json_t *j = NULL;
    struct why why = {{0}};
    char name[128];
    const char *socket = args_get(a, "--socket");
    if (args_get(a, "--kernel")) return run_stat_kernel(a);
    (void)snprintf(name, sizeof name, "%s-stat", socket ? socket : XFRMD_SOCKET);
    err_t e = stat_fetch(name, &j, &why);
    if (e != ERR_OK) {
        say_error("%s", why.text);
        say_hint(e == ERR_PERMISSION ? "run this command as root" : "start pavise-xfrmd");
        return CLI_FAILED;
    }
    if (args_get(a, "--json")) {
        json_print(j);
        return CLI_OK;
    }
    stat_print(j);
    json_decref(j);
    return CLI_OK;
}

static int run(const struct args *a)
{
    static const struct {
        const char *name;
        int (*run)(const struct args *a);
    } parts[] = {{"state", run_state},
                 {"policy", run_policy},
                 {"stat", run_stat},
                 {"explain", run_explain},
                 {"monitor", xfrm_monitor}};
    static const char *const names[] = {"state", "policy", "stat", "explain", "monitor", NULL};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(parts[i].name, a->word[0]) == 0) return parts[i].run(a);
    }
    const char *near = nearest(a->word[0], names);
    say_error("'%s' is nothing to look at", a->word[0]);
    if (near) say_hint("did you mean 'pavise xfrm %s'?", near);
    if (!near) say_hint("one of state, policy, stat, explain, monitor");
    return CLI_USAGE;
}

static const struct args_option options[] = {
    {"--kernel", NULL, "ask the Linux kernel instead of pavise-xfrmd"},
    {"--explain", NULL, "state, policy: what each field means, and where the RFCs say so"},
    {"--count", "N", "monitor: end after N events"},
    {"--socket", "NAME", "socket of pavise-xfrmd (" XFRMD_SOCKET ")"},
    {"--show-keys", NULL, "DANGER: print the keys, too"},
    OPTION_JSON,
    {0}};

const struct command command_xfrm = {
    .name = "xfrm",
    .words = "state|policy|stat|explain|monitor",
    .summary = "what the executor holds: SAs, policies, counters",
    .about =
        "  state    the security associations, as 'ip xfrm state' prints them\n"
        "  policy   the policies, as 'ip xfrm policy' prints them\n"
        "  stat     counters: traffic, and packets dropped, by reason\n"
        "  explain  states and policies with half a line about each field, and the section of\n"
        "           the RFC that it is from\n"
        "  monitor  what happens to SAs and policies from now on, in words and as 'ip xfrm'\n"
        "\n"
        "xfrm is Linux' word for \"transform\": what happens to packets on their way. Asks\n"
        "pavise-xfrmd, or the kernel, with the same messages that iproute2 uses.",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
