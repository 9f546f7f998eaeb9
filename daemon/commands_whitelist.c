// commands_whitelist.c - whitelist: who may come in, of those who can prove who they are.
#include <string.h>

#include "base/words.h"
#include "daemon/commands.h"
#include "ike/auth/whitelist.h"

enum action { IS_ADD, IS_REMOVE, IS_FLUSH, IS_LIST, IS_ENABLE, IS_DISABLE, ACTIONS };
static const char *const action_names[ACTIONS] = {"add",  "remove", "flush",
                                                  "list", "enable", "disable"};

struct request {
    enum action action;
    bool has_id;
    struct id id;
};

void commands_whitelist_switch(struct iked *d, bool on)
{
    struct whitelist *w = ike_whitelist(d->ike);
    log_say(LOG_STORY, "conf", SAY_WHITELIST, w->on == on ? "was already " : "",
            on ? "enabled" : "disabled");
    w->on = on;
}

static err_t read_request(span_t args, struct request *out, struct why *why)
{
    char action[16], text[ID_TEXT_MAX];
    unsigned a = 0;
    if (vici_get_str(args, "action", action, sizeof action) != ERR_OK) action[0] = 0;
    while (a < ACTIONS && strcmp(action, action_names[a]) != 0) a++;
    if (a == ACTIONS) {
        return why_not(why, ERR_SYNTAX,
                       "action is none of add, remove, flush, list, enable, disable");
    }
    *out = (struct request){.action = a};
    err_t err = vici_get_str(args, "id", text, sizeof text);
    bool needs = a == IS_ADD || a == IS_REMOVE, may = needs || a == IS_FLUSH;
    if (err == ERR_NOTFOUND && !needs) return ERR_OK;
    if (err == ERR_NOTFOUND || (err == ERR_OK && !may)) {
        return why_not(why, ERR_SYNTAX, "%s takes %s", action, may ? "an id" : "no id");
    }
    if (err != ERR_OK) return why_not(why, err, "the id is no text, or too long");
    if (!text[0]) return why_not(why, ERR_SYNTAX, "an empty id would be everybody: %%any");
    out->has_id = true;
    return id_parse(text, &out->id, why);
}

static err_t add(struct whitelist *w, const struct id *id, struct why *why)
{
    err_t err = whitelist_add(w, id);
    if (err != ERR_LIMIT) return err == ERR_OK ? err : why_not(why, err, "%s", err_text(err));
    return why_not(why, err,
                   "the list is full: it takes %d identities, %d of them with wildcards; a "
                   "pattern, such as *@example.org, stands for many",
                   WHITELIST_MAX, WHITELIST_PATTERNS_MAX);
}

static err_t take_out(struct whitelist *w, const struct id *id, struct why *why)
{
    char name[ID_TEXT_MAX];
    if (whitelist_remove(w, id)) return ERR_OK;
    return why_not(why, ERR_NOTFOUND, "%.100s is not in the list", id_show(id, name));
}

static void put_one(void *ctx, const struct id *id)
{
    struct vici_call *call = ctx;
    char name[ID_TEXT_MAX];
    struct vici_msg m = {0};
    if (vici_call_gone(call)) return;
    vici_kv(&m, "id", "%s", id_show(id, name));
    vici_call_event(call, "list-whitelist", &m);
    vici_msg_done(&m);
}

static err_t run(struct iked *d, struct vici_call *call, const struct request *r, struct why *why)
{
    struct whitelist *w = ike_whitelist(d->ike);
    switch (r->action) {
    case IS_ADD:
        return add(w, &r->id, why);
    case IS_REMOVE:
        return take_out(w, &r->id, why);
    case IS_FLUSH:
        (void)whitelist_flush(w, r->has_id ? &r->id : NULL);
        return ERR_OK;
    case IS_LIST:
        whitelist_each(w, put_one, call);
        return ERR_OK;
    case IS_ENABLE:
    case IS_DISABLE:
        commands_whitelist_switch(d, r->action == IS_ENABLE);
        return ERR_OK;
    case ACTIONS:
        break;
    }
    return ERR_OK;
}

void commands_whitelist(void *ctx, struct vici_call *call, span_t args)
{
    struct iked *d = ctx;
    struct request r;
    struct why why = {0};
    struct vici_msg m = {0};
    err_t err = read_request(args, &r, &why);
    if (err == ERR_OK) err = run(d, call, &r, &why);
    if (err != ERR_OK) {
        commands_result(call, why.text[0] ? why.text : err_text(err));
        return;
    }
    const struct whitelist *w = ike_whitelist(d->ike);
    vici_kv(&m, "success", "yes");
    vici_kv(&m, "enabled", "%s", w->on ? "yes" : "no");
    vici_kv(&m, "identities", "%u", w->n);
    vici_answer(call, &m);
}
