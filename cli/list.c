// list.c - pavise list: whatever else the daemon has, as it tells VICI clients.
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/paint.h"
#include "cli/say.h"

#define KEY_WIDTH 14    // columns, at least
#define JOINED_MAX 2048 // bytes of a joined list

// What can be listed, and how it is asked for. event NULL: the answer holds it.
static const struct listing {
    const char *word, *command, *event, *nothing;
} listings[] = {
    {"certs", "list-certs", "list-cert", "no certificates are loaded"},
    {"authorities", "list-authorities", "list-authority", "no authorities are configured"},
    {"policies", "list-policies", "list-policy", "no policies stand without an SA"},
    {"algorithms", "get-algorithms", NULL, ""},
    {"counters", "get-counters", NULL, ""},
    {"keys", "get-keys", NULL, "no private keys are loaded"},
    {"secrets", "get-shared", NULL, "no secrets are loaded"},
    {"stats", "stats", NULL, ""},
    {0},
};

// The column of values: the longest of these keys ends before it.
static int width_of(json_t *tree)
{
    const char *key;
    json_t *value;
    int width = KEY_WIDTH;
    json_object_foreach(tree, key, value)
    {
        if (!json_is_object(value) && (int)strlen(key) > width) width = (int)strlen(key);
    }
    return width;
}

static void print_tree(json_t *tree, int indent)
{
    const char *key;
    json_t *value;
    char joined[JOINED_MAX];
    const int width = width_of(tree);
    json_object_foreach(tree, key, value)
    {
        if (strcmp(key, "data") == 0 || strcmp(key, "success") == 0) continue;
        if (json_is_object(value)) {
            printf("%*s%s%s%s\n", indent, "", paint(BOLD), key, paint(PLAIN));
            print_tree(value, indent + 2);
        } else if (json_is_array(value)) {
            printf("%*s%-*s %s\n", indent, "", width, key,
                   json_words(value, joined, sizeof joined));
        } else {
            const char *s = json_string_value(value);
            printf("%*s%-*s %s\n", indent, "", width, key, s ? s : "");
        }
    }
}

static json_t *ask(struct vici_client *c, const struct listing *l)
{
    struct vici_msg all = {0};
    if (!l->event) {
        if (strcmp(l->word, "counters") == 0) vici_kv(&all, "all", "yes");
        json_t *answer = control_ask(c, l->command, &all);
        vici_msg_done(&all);
        return answer;
    }
    vici_kv(&all, "trap", "yes"); // policies of every kind; others do not look at it
    vici_kv(&all, "pass", "yes");
    vici_kv(&all, "drop", "yes");
    json_t *list = control_list_of(c, l->command, l->event, &all);
    vici_msg_done(&all);
    return list;
}

// Names come as one list of that key.
static bool is_empty(const json_t *answer)
{
    if (json_is_array(answer)) return json_array_size(answer) == 0;
    const json_t *names = json_object_get(answer, "keys");
    return names && json_array_size(names) == 0;
}

static void print_all(const struct listing *l, json_t *answer)
{
    size_t i;
    json_t *item;
    if (is_empty(answer)) {
        printf("%s\n", l->nothing);
        return;
    }
    if (!json_is_array(answer)) print_tree(answer, 0);
    json_array_foreach(answer, i, item)
    {
        if (i && strcmp(l->word, "certs") == 0) printf("\n");
        print_tree(item, 0);
    }
}

static const struct listing *find(const char *word)
{
    const char *words[sizeof listings / sizeof *listings] = {0};
    const struct listing *l = listings;
    for (size_t i = 0; listings[i].word; i++) words[i] = listings[i].word;
    while (l->word && strcmp(l->word, word) != 0) l++;
    if (l->word) return l;
    const char *near = nearest(word, words);
    if (near) say_error("there is no list of '%s'; did you mean 'pavise list %s'?", word, near);
    if (!near) say_error("there is no list of '%s'; 'pavise list --help' says what there is", word);
    return NULL;
}

static int run(const struct args *a)
{
    const struct listing *l = find(a->word[0]);
    if (!l) return CLI_USAGE;
    struct vici_client *c = control_open(a);
    json_t *answer = c ? ask(c, l) : NULL;
    vici_close(c);
    if (!answer) return CLI_FAILED;
    if (args_get(a, "--json")) {
        json_print(answer);
        return CLI_OK;
    }
    print_all(l, answer);
    json_decref(answer);
    return CLI_OK;
}

static const struct args_option options[] = {OPTION_JSON, OPTION_SOCKET, {0}};

const struct command command_list = {
    .name = "list",
    .words = "WHAT",
    .summary = "certificates, policies, counters and more",
    .about = "WHAT is one of certs, authorities, policies (those that stand without an SA),\n"
             "algorithms, counters, keys (names of private keys), secrets (their names), stats.\n"
             "'pavise status', 'conns' and 'pools' show the rest.",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
