// log.c - pavise log: what the daemon says and does, as it happens.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/paint.h"
#include "cli/say.h"

static void print_time(void)
{
    struct timespec now;
    struct tm tm = {0};
    char text[16] = "";
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (localtime_r(&now.tv_sec, &tm)) (void)strftime(text, sizeof text, "%H:%M:%S", &tm);
    printf("%s%s.%03ld%s ", paint(DIM), text, now.tv_nsec / 1000000, paint(PLAIN));
}

static void print_log(const json_t *j)
{
    const char *name = json_str(j, "ikesa-name");
    bool loud = strcmp(json_str(j, "level"), "0") == 0;
    print_time();
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
            print_time();
            printf("%sconnection %s %s%s\n", paint(colour), conn, what, paint(PLAIN));
            continue;
        }
        json_object_foreach(json_object_get(sa, "child-sas"), child, c)
        {
            print_time();
            printf("%schild %s of %s %s%s\n", paint(colour), child, conn, what, paint(PLAIN));
        }
    }
}

static void on_event(void *ctx, span_t name, span_t elements)
{
    const bool *json = ctx;
    char event[64];
    json_t *j = json_from_vici(elements);
    if (!j) return;
    (void)snprintf(event, sizeof event, "%.*s", (int)name.len, (const char *)name.at);
    if (*json) {
        json_print_line(json_pack("{s:s, s:O}", "event", event, "data", j));
    } else if (strcmp(event, "log") == 0) {
        print_log(j);
    } else {
        print_updown(j, event);
    }
    (void)fflush(stdout);
    json_decref(j);
}

static int follow(struct vici_client *c, bool json)
{
    static const char *const events[] = {"log", "ike-updown", "child-updown", "ike-rekey",
                                         "child-rekey"};
    err_t e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < sizeof events / sizeof *events; i++) {
        e = vici_register(c, events[i]);
    }
    while (e == ERR_OK) e = vici_wait(c, -1, on_event, &json);
    if (e == ERR_CLOSED) {
        say_error("the daemon has ended");
        return CLI_FAILED;
    }
    say_error("cannot follow the daemon: %s", err_text(e));
    return CLI_FAILED;
}

static int run(const struct args *a)
{
    struct vici_client *c = control_open(a);
    if (!c) return CLI_FAILED;
    int status = follow(c, args_get(a, "--json") != NULL);
    vici_close(c);
    return status;
}

static const struct args_option options[] = {
    {"--json", NULL, "one JSON object per line"}, OPTION_SOCKET, {0}};

const struct command command_log = {
    .name = "log",
    .words = "",
    .summary = "follows what the daemon says and does",
    .about =
        "Prints what pavise-iked says from now on: the story of every negotiation, tunnels that\n"
        "come up and go down, new keys. End it with Ctrl-C.",
    .options = options,
    .run = run,
};
