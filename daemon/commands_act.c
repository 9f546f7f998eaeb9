// commands_act.c - the commands that act: initiate, terminate, rekey. While one is under way, the
// lines of the story that concern it go to its caller as control-log events.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/commands.h"
#include "daemon/hold.h"
#include "daemon/loaded.h"
#include "daemon/sa_show.h"

#define TIMEOUT_MAX_MS (24 * 3600 * 1000) // as long as anybody should wait

// A command that has started something in the diplomat. Lives until the diplomat tells the
// outcome, even when its caller has been answered (timeout) or has gone.
struct iked_act {
    struct iked_act *next, **link;
    struct iked *d;
    struct vici_call *call; // NULL once answered
    struct loop_timer *timer;
    bool terminate;
    bool starting; // the diplomat has not returned yet: lines without an SA are ours
    bool finished;
    uint64_t held; // the answer is ready, but for updown scripts (hold.h); 0: it is not
    err_t err;
    unsigned matches;
    int64_t level, timeout_ms;
    char name[COMMAND_NAME_MAX];      // of the connection; "" = any
    char what[COMMAND_NAME_MAX + 16]; // "CHILD_SA 'net-net'"
    char sentence[256];
};

static void act_free(struct iked_act *a)
{
    *a->link = a->next;
    if (a->next) a->next->link = a->link;
    loop_timer_free(a->timer);
    free(a);
}

static struct iked_act *act_new(struct iked *d, struct vici_call *call)
{
    struct iked_act *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    a->d = d;
    a->call = call;
    a->level = 1; // strongSwan's default
    a->next = d->acts;
    a->link = &d->acts;
    if (a->next) a->next->link = &a->next;
    d->acts = a;
    return a;
}

void commands_done(struct iked *d)
{
    list_sas_done(d);
    while (d->acts) {
        struct iked_act *a = d->acts;
        if (a->call) commands_result(a->call, "the daemon ends");
        act_free(a);
    }
}

// ---- answers ----

static void act_answer(struct iked_act *a, const char *errmsg)
{
    struct vici_msg m = {0};
    if (!a->call) return;
    vici_kv(&m, "success", "%s", *errmsg ? "no" : "yes");
    if (a->terminate) {
        vici_kv(&m, "matches", "%u", a->matches);
        vici_kv(&m, "terminated", "%u", *errmsg ? 0 : a->matches);
    }
    if (*errmsg) vici_kv(&m, "errmsg", "%s", errmsg);
    struct vici_call *call = a->call;
    a->call = NULL;
    vici_answer(call, &m);
}

static void act_finish(struct iked_act *a)
{
    char text[768] = "";
    if (a->terminate && a->matches == 0) {
        (void)snprintf(text, sizeof text, "no matching SAs to terminate found");
    } else if (a->err != ERR_OK) {
        (void)snprintf(text, sizeof text, "%s %s failed: %s",
                       a->terminate ? "terminating" : "establishing", a->what, a->sentence);
    }
    act_answer(a, text);
    act_free(a);
}

// Scripts that the outcome has asked for run first.
static void act_settle(struct iked_act *a)
{
    a->held = hold_mark(a->d);
    if (!a->held) act_finish(a);
}

void commands_held(struct iked *d)
{
    for (struct iked_act *a = d->acts, *next; a; a = next) {
        next = a->next;
        if (a->held && hold_is_over(d, a->held)) act_finish(a);
    }
}

static void on_timeout(void *ctx)
{
    struct iked_act *a = ctx;
    char text[512];
    if (a->held) return; // it is in time
    (void)snprintf(text, sizeof text, "%s not %s after %" PRId64 "ms", a->what,
                   a->terminate ? "terminated" : "established", a->timeout_ms);
    act_answer(a, text);
}

// The diplomat tells the outcome, possibly before ike_initiate() has returned.
static void on_outcome(void *ctx, err_t err, const char *sentence)
{
    struct iked_act *a = ctx;
    a->finished = true;
    a->err = err;
    (void)snprintf(a->sentence, sizeof a->sentence, "%s",
                   sentence && *sentence ? sentence : err_text(err));
    if (!a->starting) act_settle(a);
}

// After the diplomat has returned: answer now, later, or when time is up.
static void act_started(struct iked_act *a)
{
    struct iked *d = a->d;
    a->starting = false;
    if (a->finished || (a->terminate && a->matches == 0)) {
        act_settle(a);
    } else if (a->timeout_ms < 0) {
        act_answer(a, "");
    } else if (a->timeout_ms > 0) {
        a->timer = loop_timer_new(d->loop, on_timeout, a);
        if (a->timer)
            loop_timer_at(a->timer, clock_mono() + (uint64_t)a->timeout_ms * NSEC_PER_MSEC);
    }
    iked_rearm(d);
}

void commands_tell(struct iked *d, unsigned level, const char *name, const struct vici_msg *line)
{
    for (struct iked_act *a = d->acts, *next; a; a = next) {
        next = a->next;
        bool ours = name ? !a->name[0] || strcmp(a->name, name) == 0 : a->starting;
        if (a->call && ours && (int64_t)level <= a->level) {
            vici_call_event(a->call, "control-log", line);
        }
    }
}

// ---- initiate ----

// timeout and loglevel, the same for both commands.
static bool act_read(struct iked_act *a, span_t args)
{
    span_t unused;
    if (!commands_number(args, "timeout", &a->timeout_ms)) return false;
    if (a->timeout_ms > TIMEOUT_MAX_MS) a->timeout_ms = TIMEOUT_MAX_MS;
    if (vici_get(args, "loglevel", &unused) != ERR_OK) return true;
    return commands_number(args, "loglevel", &a->level);
}

static bool conn_has_child(const struct conf_conn *c, const char *child)
{
    for (unsigned i = 0; i < c->child_n; i++) {
        if (strcmp(c->child[i].name, child) == 0) return true;
    }
    return false;
}

// The connection that is meant: by name, or the first that has the child.
static const struct conf_conn *find_conn(const struct config *c, const char *ike, const char *child)
{
    for (unsigned i = 0; i < c->conn_n; i++) {
        if (*ike && strcmp(c->conn[i].name, ike) != 0) continue;
        if (*child && !conn_has_child(&c->conn[i], child)) continue;
        return &c->conn[i];
    }
    return NULL;
}

static void initiate(struct iked *d, struct vici_call *call, span_t args,
                     const struct conf_conn *conn, const char *child)
{
    struct iked_act *a = act_new(d, call);
    if (!a) {
        commands_result(call, err_text(ERR_NOMEM));
        return;
    }
    (void)snprintf(a->name, sizeof a->name, "%s", conn->name);
    (void)snprintf(a->what, sizeof a->what, *child ? "CHILD_SA '%s'" : "IKE_SA '%s'",
                   *child ? child : conn->name);
    if (!act_read(a, args)) {
        act_answer(a, "timeout and loglevel must be numbers");
        act_free(a);
        return;
    }
    a->starting = true;
    ike_initiate(d->ike, conn->name, *child ? child : NULL, on_outcome, a);
    act_started(a);
}

void commands_initiate(void *ctx, struct vici_call *call, span_t args)
{
    struct iked *d = ctx;
    char ike[COMMAND_NAME_MAX], child[COMMAND_NAME_MAX], text[2 * COMMAND_NAME_MAX];
    bool ok = commands_str(args, "ike", ike) && commands_str(args, "child", child);
    if (!ok || (!ike[0] && !child[0])) {
        commands_result(call, "missing configuration name");
        return;
    }
    loaded_settle(d);
    const struct conf_conn *conn = find_conn(d->config, ike, child);
    if (conn) {
        initiate(d, call, args, conn, child);
        return;
    }
    (void)snprintf(text, sizeof text,
                   child[0] ? "CHILD_SA config '%s' not found" : "IKE_SA config '%s' not found",
                   child[0] ? child : ike);
    commands_result(call, text);
}

// ---- terminate and rekey ----

struct choice_text {
    char ike[COMMAND_NAME_MAX], child[COMMAND_NAME_MAX];
};

// Names and ids; false if nothing is chosen, or not properly.
static bool choice_read(span_t args, struct choice_text *text, struct ike_choice *out)
{
    int64_t ike_id, child_id;
    bool ok = commands_str(args, "ike", text->ike) && commands_str(args, "child", text->child) &&
              commands_number(args, "ike-id", &ike_id) &&
              commands_number(args, "child-id", &child_id) && ike_id >= 0 && ike_id <= UINT32_MAX &&
              child_id >= 0 && child_id <= UINT32_MAX;
    if (!ok) return false;
    *out = (struct ike_choice){
        .ike = text->ike[0] ? text->ike : NULL,
        .child = text->child[0] ? text->child : NULL,
        .ike_id = (uint32_t)ike_id,
        .child_id = (uint32_t)child_id,
        .force = commands_yes(args, "force"),
        .reauth = commands_yes(args, "reauth"),
    };
    return out->ike || out->child || out->ike_id || out->child_id;
}

static void choice_show(const struct ike_choice *c, char *buf, size_t cap)
{
    if (c->child) {
        (void)snprintf(buf, cap, "CHILD_SA '%s'", c->child);
    } else if (c->child_id) {
        (void)snprintf(buf, cap, "CHILD_SA #%u", c->child_id);
    } else if (c->ike) {
        (void)snprintf(buf, cap, "IKE_SA '%s'", c->ike);
    } else {
        (void)snprintf(buf, cap, "IKE_SA #%u", c->ike_id);
    }
}

// The connection's name of an IKE SA that is chosen by its id, for the control-log.
struct name_search {
    struct iked_act *act;
    uint32_t id;
};

static bool note_name(void *ctx, const struct ike_sa_view *v, const struct ike_sa *sa)
{
    (void)sa;
    const struct name_search *s = ctx;
    if (v->id != s->id) return true;
    (void)snprintf(s->act->name, sizeof s->act->name, "%s", sa_show_name(v));
    return false;
}

void commands_terminate(void *ctx, struct vici_call *call, span_t args)
{
    struct iked *d = ctx;
    struct choice_text text;
    struct ike_choice choice;
    if (!choice_read(args, &text, &choice)) {
        commands_result(call, "missing terminate selector");
        return;
    }
    struct iked_act *a = act_new(d, call);
    if (!a) {
        commands_result(call, err_text(ERR_NOMEM));
        return;
    }
    a->terminate = true;
    choice_show(&choice, a->what, sizeof a->what);
    if (!act_read(a, args)) {
        act_answer(a, "timeout and loglevel must be numbers");
        act_free(a);
        return;
    }
    if (choice.ike) (void)snprintf(a->name, sizeof a->name, "%s", choice.ike);
    if (choice.ike_id) ike_each(d->ike, note_name, &(struct name_search){a, choice.ike_id});
    a->starting = true;
    ike_terminate(d->ike, &choice, &a->matches, on_outcome, a);
    act_started(a);
}

void commands_rekey(void *ctx, struct vici_call *call, span_t args)
{
    struct iked *d = ctx;
    struct choice_text text;
    struct ike_choice choice;
    if (!choice_read(args, &text, &choice)) {
        commands_result(call, "missing rekey selector");
        return;
    }
    unsigned matches = 0;
    err_t e = ike_rekey(d->ike, &choice, &matches);
    struct vici_msg m = {0};
    vici_kv(&m, "success", "%s", e == ERR_OK && matches ? "yes" : "no");
    vici_kv(&m, "matches", "%u", matches);
    if (matches == 0) {
        vici_kv(&m, "errmsg", "no matching SAs to rekey found");
    } else if (e != ERR_OK) {
        vici_kv(&m, "errmsg", "rekeying failed: %s", err_text(e));
    }
    vici_answer(call, &m);
    iked_rearm(d);
}

// ---- install and uninstall ----

typedef err_t policy_fn(struct ike *ike, const char *conn, const char *child, struct why *why);

static void change_policy(struct iked *d, struct vici_call *call, span_t args, policy_fn *change)
{
    struct choice_text text;
    struct why why = {0};
    loaded_settle(d);
    bool ok = commands_str(args, "ike", text.ike) && commands_str(args, "child", text.child);
    if (!ok || !text.child[0]) {
        commands_result(call, "missing configuration name");
        return;
    }
    err_t err = change(d->ike, text.ike[0] ? text.ike : NULL, text.child, &why);
    commands_result(call, err == ERR_OK ? "" : why.text);
    iked_rearm(d);
}

void commands_install(void *ctx, struct vici_call *call, span_t args)
{
    change_policy(ctx, call, args, ike_install);
}

void commands_uninstall(void *ctx, struct vici_call *call, span_t args)
{
    change_policy(ctx, call, args, ike_uninstall);
}
