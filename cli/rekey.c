// rekey.c - pavise rekey NAME: fresh keys now. The daemon answers at once, so the outcome is
// awaited as an event.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/paint.h"
#include "cli/say.h"

#define WAIT_S 20   // longer than one retransmission or two
#define REST_MS 100 // for the end of the story, which comes after the event

struct rekey {
    const char *ike, *child; // what was asked for; one is NULL
    uint64_t start_ns;
    bool quiet;
    unsigned done;
};

// Does the event speak of what was asked for?
static bool event_is_ours(const struct rekey *r, json_t *event)
{
    const char *conn;
    json_t *sa;
    json_object_foreach(event, conn, sa)
    {
        if (r->ike && strcmp(conn, r->ike) == 0) return true;
        if (r->child && json_object_get(json_object_get(sa, "child-sas"), r->child)) return true;
    }
    return false;
}

static void on_event(void *ctx, span_t name, span_t elements)
{
    struct rekey *r = ctx;
    json_t *j = json_from_vici(elements);
    bool log = span_eq(name, span_str("log")), child = span_eq(name, span_str("child-rekey"));
    bool ike = span_eq(name, span_str("ike-rekey"));
    if (log && !r->quiet) control_print_line(j, r->start_ns);
    if (((child && r->child) || (ike && r->ike)) && event_is_ours(r, j)) r->done++;
    json_decref(j);
}

static err_t register_all(struct vici_client *c)
{
    static const char *const events[] = {"log", "child-rekey", "ike-rekey"};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) TRY(vici_register(c, events[i]));
    return ERR_OK;
}

// Follows the daemon until the time, or until enough SAs have new keys (0: whatever comes).
static void follow(struct vici_client *c, struct rekey *r, uint64_t until_ns, uint64_t enough)
{
    while (!enough || r->done < enough) {
        uint64_t now = clock_mono();
        if (now >= until_ns) return;
        err_t e = vici_wait(c, (int)((until_ns - now) / NSEC_PER_MSEC) + 1, on_event, r);
        if (e != ERR_OK && e != ERR_TIMEOUT) return;
    }
}

// Waits until as many SAs have new keys as were matched.
static bool wait_for(struct vici_client *c, struct rekey *r, uint64_t matches)
{
    follow(c, r, clock_mono() + WAIT_S * NSEC_PER_SEC, matches);
    if (r->done >= matches) {
        follow(c, r, clock_mono() + REST_MS * NSEC_PER_MSEC, 0);
        return true;
    }
    say_error("no new keys after %d s", WAIT_S);
    say_hint("the old SA goes on until it expires; 'pavise status' shows what is wrong");
    return false;
}

static bool ask(struct vici_client *c, struct rekey *r, uint64_t *matches)
{
    struct vici_msg args = {0};
    span_t answer = {0};
    r->start_ns = clock_mono();
    if (r->ike) vici_kv(&args, "ike", "%s", r->ike);
    if (r->child) vici_kv(&args, "child", "%s", r->child);
    err_t e = vici_ask(c, "rekey", &args, 10000, on_event, r, &answer);
    vici_msg_done(&args);
    if (e != ERR_OK) say_error("'rekey' got no answer: %s", err_text(e));
    if (e != ERR_OK) return false;
    json_t *j = json_from_vici(answer);
    bool ok = control_succeeded(j);
    *matches = json_u64(j, "matches");
    json_decref(j);
    return ok;
}

static bool rekey_name(struct vici_client *c, const struct args *a, const char *name)
{
    json_t *list = control_list(c, "list-sas", "list-sa");
    if (!list) return false;
    struct names names = {list, "child-sas"};
    struct rekey r = {.quiet = args_get(a, "--quiet") || args_get(a, "--json")};
    if (names_conn_of(&names, name)) r.child = name;
    if (!r.child && names_have_conn(&names, name)) r.ike = name;
    if (!r.child && !r.ike) names_unknown(&names, name, "among the tunnels that are up");
    json_decref(list);
    if (!r.child && !r.ike) return false;
    uint64_t matches = 0;
    bool ok = ask(c, &r, &matches) && wait_for(c, &r, matches ? matches : 1);
    if (args_get(a, "--json")) {
        json_print(json_pack("{s:s, s:b, s:I, s:i}", "name", name, "success", ok, "matches",
                             (json_int_t)matches, "rekeyed", (int)r.done));
    } else if (ok && !r.quiet) {
        printf("%s%s has new keys%s\n", paint(GREEN), name, paint(PLAIN));
    }
    return ok;
}

static int run(const struct args *a)
{
    struct vici_client *c = control_open(a);
    if (!c) return CLI_FAILED;
    bool ok = register_all(c) == ERR_OK;
    if (!ok) say_error("the daemon does not tell when it rekeys");
    for (unsigned i = 0; ok && i < a->words; i++) ok &= rekey_name(c, a, a->word[i]);
    vici_close(c);
    return ok ? CLI_OK : CLI_FAILED;
}

static const struct args_option options[] = {
    {"--quiet", NULL, "no story, only errors"}, OPTION_JSON, OPTION_SOCKET, {0}};

const struct command command_rekey = {
    .name = "rekey",
    .words = "NAME...",
    .summary = "gives a tunnel new keys now",
    .about =
        "Asks pavise-iked to rekey the child SAs called NAME, or the IKE SAs called NAME, and\n"
        "waits until the new keys are in use. No packet is lost meanwhile.",
    .options = options,
    .words_min = 1,
    .words_max = ARGS_WORDS_MAX,
    .run = run,
};
