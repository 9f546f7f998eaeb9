#include "cli/control.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/json.h"
#include "cli/paint.h"
#include "cli/say.h"

#define ANSWER_MS 10000 // a daemon that does not answer within this time hangs

struct vici_client *control_open(const struct args *a)
{
    const char *path = args_get(a, "--vici-socket");
    struct vici_client *c = NULL;
    struct why why = {{0}};
    if (!path) path = VICI_SOCKET;
    err_t e = vici_connect(path, &c, &why);
    if (e == ERR_OK) return c;
    if (e == ERR_NOTFOUND) {
        say_error("pavise-iked is not running: nobody listens on %s", path);
        say_hint("start it with 'pavise-iked', or name another socket with --vici-socket PATH");
        return NULL;
    }
    say_error("cannot talk to pavise-iked on %s: %s", path, why.text[0] ? why.text : err_text(e));
    if (e == ERR_PERMISSION) say_hint("run this command as root");
    return NULL;
}

struct vici_client *control_open_quietly(const struct args *a)
{
    const char *path = args_get(a, "--vici-socket");
    struct vici_client *c = NULL;
    struct why why = {{0}};
    return vici_connect(path ? path : VICI_SOCKET, &c, &why) == ERR_OK ? c : NULL;
}

static void say_ask_error(const char *command, err_t e)
{
    if (e == ERR_UNSUPPORTED) {
        say_error("the daemon does not know the command '%s'", command);
        return;
    }
    say_error("'%s' got no answer: %s", command, err_text(e));
    if (e == ERR_TIMEOUT) say_hint("is the daemon alive? See its log");
    if (e == ERR_CLOSED) say_hint("the daemon has ended or was restarted; try again");
}

static json_t *answer_json(const char *command, err_t e, span_t answer)
{
    json_t *j = e == ERR_OK ? json_from_vici(answer) : NULL;
    if (e != ERR_OK) say_ask_error(command, e);
    if (e == ERR_OK && !j) say_error("the answer to '%s' is malformed", command);
    return j;
}

json_t *control_ask(struct vici_client *c, const char *command, const struct vici_msg *args)
{
    span_t answer = {0};
    err_t e = vici_ask(c, command, args, ANSWER_MS, NULL, NULL, &answer);
    return answer_json(command, e, answer);
}

static void on_item(void *ctx, span_t name, span_t elements)
{
    json_t *list = ctx;
    (void)name;
    json_add(list, json_from_vici(elements));
}

json_t *control_list(struct vici_client *c, const char *command, const char *event)
{
    return control_list_of(c, command, event, NULL);
}

json_t *control_list_of(struct vici_client *c, const char *command, const char *event,
                        const struct vici_msg *args)
{
    err_t e = vici_register(c, event);
    json_t *list = json_array();
    if (e == ERR_OK) e = vici_ask(c, command, args, ANSWER_MS, on_item, list, NULL);
    if (e == ERR_OK) return list;
    say_ask_error(command, e);
    json_decref(list);
    return NULL;
}

const char *control_sa_id(const json_t *line)
{
    const char *id = json_str(line, "ikesa-uniqueid");
    return *id ? id : json_str(line, "ikesa-uniqueid");
}

void control_print_line(const json_t *line, uint64_t start_ns)
{
    double s = (double)(clock_mono() - start_ns) / (double)NSEC_PER_SEC;
    const char *name = json_str(line, "ikesa-name");
    bool loud = strcmp(json_str(line, "level"), "0") == 0;
    printf("%s%8.3fs%s ", paint(DIM), s, paint(PLAIN));
    if (*name) printf("%s%s[%s]%s ", paint(CYAN), name, control_sa_id(line), paint(PLAIN));
    printf("%s%s%s\n", paint(loud ? RED : PLAIN), json_str(line, "msg"), paint(PLAIN));
    (void)fflush(stdout);
}

static void on_story(void *ctx, span_t name, span_t elements)
{
    const uint64_t *start_ns = ctx;
    (void)name;
    json_t *line = json_from_vici(elements);
    if (line) control_print_line(line, *start_ns);
    json_decref(line);
}

json_t *control_act(struct vici_client *c, const struct control_act *act)
{
    uint64_t start_ns = clock_mono();
    struct vici_msg args = {0};
    span_t answer = {0};
    if (act->ike) vici_kv(&args, "ike", "%s", act->ike);
    if (act->child) vici_kv(&args, "child", "%s", act->child);
    vici_kv(&args, "timeout", "%llu", act->timeout_s * 1000ULL);
    if (act->force) vici_kv(&args, "force", "yes");
    vici_kv(&args, "loglevel", "%d", act->quiet ? -1 : 1);
    err_t e = vici_register(c, "control-log");
    if (e == ERR_OK || e == ERR_NOTFOUND) {
        e = vici_ask(c, act->command, &args, -1, act->quiet ? NULL : on_story, &start_ns, &answer);
    }
    vici_msg_done(&args);
    return answer_json(act->command, e, answer);
}

bool control_succeeded(const json_t *answer)
{
    if (!answer) return false;
    if (json_yes(answer, "success")) return true;
    const char *why = json_str(answer, "errmsg");
    say_error("%s", *why ? why : "the daemon refused, without saying why");
    return false;
}
