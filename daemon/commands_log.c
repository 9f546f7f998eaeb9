// commands_log.c - list-log, which strongSwan has not: what has been told so far.
#include <inttypes.h>

#include "daemon/commands.h"
#include "daemon/events.h"
#include "daemon/story.h"
#include "ike/sa/diplomat.h"

struct log_list {
    struct iked *d;
    struct vici_call *call;
    const struct conn *conn; // NULL: none is asked for, or it is not in force
};

static bool fits(void *ctx, const ip_t *local, const ip_t *remote)
{
    const struct log_list *l = ctx;
    return l->conn && conn_fit(l->conn, local, remote) > 0;
}

static bool send_line(void *ctx, const struct story_line *line)
{
    struct log_list *l = ctx;
    struct vici_msg m = {0};
    events_put_line(&m, line, true);
    vici_kv(&m, "number", "%" PRIu64, line->number);
    vici_kv(&m, "time", "%" PRIu64 ".%03u", line->at_ms / 1000, (unsigned)(line->at_ms % 1000));
    vici_call_event(l->call, "list-log", &m);
    vici_msg_done(&m);
    return !vici_call_gone(l->call);
}

void commands_list_log(void *ctx, struct vici_call *call, span_t args)
{
    struct iked *d = ctx;
    char name[COMMAND_NAME_MAX];
    int64_t after = 0;
    if (!commands_str(args, "ike", name) || !commands_number(args, "after", &after) || after < 0) {
        commands_result(call, "'ike' is a name, and 'after' the number of a line");
        return;
    }
    struct log_list l = {.d = d, .call = call, .conn = name[0] ? ike_conn(d->ike, name) : NULL};
    const struct story_wish w = {
        .name = name[0] ? name : NULL, .fits = fits, .ctx = &l, .after = (uint64_t)after};
    story_each(d->story, &w, send_line, &l);
    commands_result(call, "");
}
