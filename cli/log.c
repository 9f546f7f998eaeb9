// log.c - pavise log: what the daemon has said and done, and what it says as it happens.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/paint.h"
#include "cli/say.h"

#define ANSWER_MS 10000

struct log {
    bool json;
    const char *name;    // NULL: all
    char own[256];       // ... its text
    bool history;        // the daemon keeps one
    bool again;          // something has been said since it was asked
    char after[24];      // number of the last line that was printed
    unsigned long lines; // printed
};

// ---- lines -------------------------------------------------------------------------------------

// at: seconds since 1970 with milliseconds, as "1790000000.123"; "": now.
static void print_time(const char *at)
{
    struct timespec now;
    struct tm tm = {0};
    char text[32] = "";
    (void)clock_gettime(CLOCK_REALTIME, &now);
    char *dot;
    long long s = strtoll(at, &dot, 10);
    time_t when = *at ? (time_t)s : now.tv_sec;
    long ms = *at ? (*dot ? strtol(dot + 1, NULL, 10) : 0) : now.tv_nsec / 1000000;
    bool old = now.tv_sec - when > 12 * 3600; // then the day matters
    if (localtime_r(&when, &tm))
        (void)strftime(text, sizeof text, old ? "%m-%d %H:%M:%S" : "%H:%M:%S", &tm);
    printf("%s%s.%03ld%s ", paint(DIM), text, ms, paint(PLAIN));
}

static void print_line(const json_t *j)
{
    const char *name = json_str(j, "ikesa-name");
    bool loud = strcmp(json_str(j, "level"), "0") == 0;
    print_time(json_str(j, "time"));
    if (*name) printf("%s%s[%s]%s ", paint(CYAN), name, control_sa_id(j), paint(PLAIN));
    printf("%s%s%s\n", paint(loud ? RED : PLAIN), json_str(j, "msg"), paint(PLAIN));
}

static void print_updown(json_t *j, const char *event)
{
    const char *conn, *child;
    json_t *sa, *c;
    bool up = json_yes(j, "up"), of_child = strncmp(event, "child", 5) == 0;
    bool updown = strstr(event, "updown") != NULL;
    const char *what = !updown ? "has new keys" : up ? "is up" : "is down";
    enum paint colour = updown && !up ? YELLOW : GREEN;
    json_object_foreach(j, conn, sa)
    {
        if (!json_is_object(sa)) continue;
        if (!of_child) {
            print_time("");
            printf("%sconnection %s %s%s\n", paint(colour), conn, what, paint(PLAIN));
            continue;
        }
        json_object_foreach(json_object_get(sa, "child-sas"), child, c)
        {
            print_time("");
            printf("%schild %s of %s %s%s\n", paint(colour), child, conn, what, paint(PLAIN));
        }
    }
}

static void show(const struct log *l, const char *event, json_t *j)
{
    bool line = strcmp(event, "log") == 0;
    if (l->json) {
        json_print_line(json_pack("{s:s, s:O}", "event", event, "data", j));
    } else if (line) {
        print_line(j);
    } else {
        print_updown(j, event);
    }
    (void)fflush(stdout);
}

// ---- asking ------------------------------------------------------------------------------------

static void on_event(void *ctx, span_t name, span_t elements)
{
    struct log *l = ctx;
    char event[64];
    json_t *j = json_from_vici(elements);
    if (!j) return;
    (void)snprintf(event, sizeof event, "%.*s", (int)name.len, (const char *)name.at);
    if (strcmp(event, "list-log") == 0) {
        (void)snprintf(l->after, sizeof l->after, "%s", json_str(j, "number"));
        l->lines++;
        show(l, "log", j);
    } else if (strcmp(event, "log") == 0 && l->history) {
        l->again = true; // the history tells it: it knows whose it is
    } else if (!l->name || json_object_get(j, l->name)) {
        show(l, event, j);
    }
    json_decref(j);
}

// What has been said since the last time.
static err_t catch_up(struct vici_client *c, struct log *l)
{
    err_t e = ERR_OK;
    do {
        struct vici_msg args = {0};
        l->again = false;
        if (l->name) vici_kv(&args, "ike", "%s", l->name);
        if (l->after[0]) vici_kv(&args, "after", "%s", l->after);
        e = vici_ask(c, "list-log", &args, ANSWER_MS, on_event, l, NULL);
        vici_msg_done(&args);
    } while (e == ERR_OK && l->again);
    return e;
}

static err_t enlist(struct vici_client *c)
{
    static const char *const events[] = {"log", "ike-updown", "child-updown", "ike-rekey",
                                         "child-rekey"};
    err_t e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < sizeof events / sizeof *events; i++) {
        e = vici_register(c, events[i]);
    }
    return e;
}

static int follow(struct vici_client *c, struct log *l)
{
    err_t e = ERR_OK;
    while (e == ERR_OK) {
        e = vici_wait(c, -1, on_event, l);
        if (e == ERR_OK && l->again) e = catch_up(c, l);
    }
    if (e == ERR_CLOSED) {
        say_error("the daemon has ended");
        return CLI_FAILED;
    }
    say_error("cannot follow the daemon: %s", err_text(e));
    return CLI_FAILED;
}

// The connection that a name means, or that of the child that it means. A name that nobody has
// would give silence.
static bool name_read(struct vici_client *c, const char *word, struct log *l)
{
    json_t *conns = control_list(c, "list-conns", "list-conn");
    struct names all = {conns, "children"};
    const char *name = !conns                        ? NULL
                       : names_have_conn(&all, word) ? word
                                                     : names_conn_of(&all, word);
    if (conns && !name) names_unknown(&all, word, "in the configuration");
    if (name) (void)snprintf(l->own, sizeof l->own, "%s", name);
    json_decref(conns);
    l->name = l->own;
    return name != NULL;
}

static int tell(struct vici_client *c, struct log *l, bool on)
{
    err_t e = on ? enlist(c) : ERR_OK;
    if (e == ERR_OK) e = vici_register(c, "list-log");
    l->history = e == ERR_OK;
    if (e == ERR_OK) e = catch_up(c, l);
    if (e == ERR_NOTFOUND && on) return follow(c, l); // another daemon: no past, but a future
    if (e != ERR_OK) {
        say_error("the daemon does not tell what it has said: %s", err_text(e));
        say_hint("'pavise log -f' tells what it says from now on");
        return CLI_FAILED;
    }
    if (on) return follow(c, l);
    if (!l->lines && !l->json)
        printf("nothing has been said%s%s yet\n", l->name ? " of " : "", l->name ? l->name : "");
    return CLI_OK;
}

static int run(const struct args *a)
{
    struct log l = {.json = args_get(a, "--json") != NULL};
    bool on = args_get(a, "-f") || args_get(a, "--follow");
    struct vici_client *c = control_open(a);
    if (!c) return CLI_FAILED;
    bool good = !a->words || name_read(c, a->word[0], &l);
    int status = good ? tell(c, &l, on) : CLI_FAILED;
    vici_close(c);
    return status;
}

static const struct args_option options[] = {
    {"-f", NULL, "then go on with what happens, until Ctrl-C"},
    {"--follow", NULL, "the same"},
    {"--json", NULL, "one JSON object per line"},
    OPTION_SOCKET,
    {0}};

const struct command command_log = {
    .name = "log",
    .words = "[CONNECTION]",
    .words_max = 1,
    .summary = "what the daemon has said and done: the story of every negotiation",
    .about = "Prints what pavise-iked has said, as far as it remembers (4096 lines): the story of\n"
             "every negotiation and why it failed. With a CONNECTION only what concerns it, and\n"
             "what came from where its peer may be without becoming anybody's. With -f it goes on\n"
             "with what happens: tunnels that come up and go down, new keys.",
    .options = options,
    .run = run,
};
