// whitelist.c - pavise whitelist: who may come in, of those who can prove who they are.
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/say.h"

#define ANSWER_MS 10000

static const struct action {
    const char *name;
    unsigned ids_min, ids_max;
} actions[] = {{"add", 1, ARGS_WORDS_MAX},
               {"remove", 1, ARGS_WORDS_MAX},
               {"list", 0, 0},
               {"flush", 0, ARGS_WORDS_MAX},
               {"enable", 0, 0},
               {"disable", 0, 0},
               {0}};

static const struct action *find(const char *word)
{
    const char *words[sizeof actions / sizeof *actions] = {0};
    const struct action *a = actions;
    for (size_t i = 0; actions[i].name; i++) words[i] = actions[i].name;
    while (a->name && strcmp(a->name, word) != 0) a++;
    if (a->name) return a;
    const char *near = nearest(word, words);
    if (near) say_error("'%s' is no action; did you mean '%s'?", word, near);
    if (!near) say_error("'%s' is no action", word);
    say_hint("one of add, remove, list, flush, enable, disable");
    return NULL;
}

static void on_item(void *ctx, span_t name, span_t elements)
{
    json_t *item = json_from_vici(elements);
    if (span_eq(name, span_str("list-whitelist"))) json_add(ctx, json_string(json_str(item, "id")));
    json_decref(item);
}

// One request. The answer, with what is listed beside it, or NULL: said why.
static json_t *ask(struct vici_client *c, const char *action, const char *id)
{
    struct vici_msg m = {0};
    span_t bytes = {0};
    json_t *list = json_array();
    vici_kv(&m, "action", "%s", action);
    if (id) vici_kv(&m, "id", "%s", id);
    err_t err = vici_ask(c, "whitelist", &m, ANSWER_MS, on_item, list, &bytes);
    vici_msg_done(&m);
    json_t *answer = err == ERR_OK ? json_from_vici(bytes) : NULL;
    if (!answer) say_error("'whitelist' got no answer: %s", err_text(err));
    if (control_succeeded(answer)) {
        json_object_set_new(answer, "ids", list);
        return answer;
    }
    json_decref(list);
    json_decref(answer);
    return NULL;
}

static void print_list(const json_t *answer)
{
    size_t i;
    json_t *id;
    const json_t *ids = json_object_get(answer, "ids");
    const bool on = json_yes(answer, "enabled"), empty = json_array_size(ids) == 0;
    json_array_foreach(ids, i, id) printf("%s\n", json_string_value(id));
    fflush(stdout);
    if (!on) say_hint("the list is not enabled: whoever can prove who it is comes in");
    if (on && empty) say_hint("the list is enabled and empty: nobody comes in");
}

// Every id, up to one that is refused. The last answer; NULL: said why.
static json_t *ask_each(struct vici_client *c, const struct args *a)
{
    if (a->words == 1) return ask(c, a->word[0], NULL);
    json_t *answer = NULL;
    for (unsigned i = 1; i < a->words; i++) {
        json_decref(answer);
        answer = ask(c, a->word[0], a->word[i]);
        if (!answer) break;
    }
    return answer;
}

static int run(const struct args *a)
{
    const struct action *what = find(a->word[0]);
    if (!what) return CLI_USAGE;
    const unsigned ids = a->words - 1;
    if (ids < what->ids_min || ids > what->ids_max) {
        say_error("'%s' takes %s", what->name, what->ids_max ? "an identity" : "no identity");
        return CLI_USAGE;
    }
    struct vici_client *c = control_open(a);
    if (!c) return CLI_FAILED;
    const bool list = strcmp(what->name, "list") == 0;
    bool ok = !list || vici_register(c, "list-whitelist") == ERR_OK;
    if (!ok) say_error("the daemon does not know this list");
    json_t *answer = ok ? ask_each(c, a) : NULL;
    vici_close(c);
    if (!answer) return CLI_FAILED;
    if (!list) json_object_del(answer, "ids");
    if (args_get(a, "--json")) {
        json_print(answer);
        return CLI_OK;
    }
    if (list) print_list(answer);
    json_decref(answer);
    return CLI_OK;
}

static const struct args_option options[] = {OPTION_JSON, OPTION_SOCKET, {0}};

const struct command command_whitelist = {
    .name = "whitelist",
    .words = "add|remove|list|flush|enable|disable [ID...]",
    .summary = "which identities may come in",
    .about =
        "While the list is enabled (here, or by charon.plugins.whitelist.enable in\n"
        "strongswan.conf), a peer that calls and proves who it is gets in only if its identity\n"
        "is in it; by EAP, its EAP identity. ID may have wildcards: '*@example.org', 'C=CH, "
        "CN=*'.\n"
        "flush removes what fits the IDs, or all. pavise-iked keeps the list in memory only, and\n"
        "IKE SAs that are up stay.",
    .options = options,
    .words_min = 1,
    .words_max = ARGS_WORDS_MAX,
    .run = run,
};
