#include "daemon/loaded.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conf/parts.h"
#include "daemon/names.h"
#include "daemon/reload.h"
#include "daemon/resolver.h"
#include "daemon/scripts.h"
#include "daemon/works.h"

struct waiting { // an answer that is ready, but for the names
    struct waiting *next;
    struct vici_call *call;
    struct vici_msg m;
};

struct loaded {
    struct parts *parts;
    struct config *file; // held: as it was read last; NULL: never
    bool dirty;
    uint64_t took_ns; // to bring the latest into force
    struct loop_timer *timer, *names_timer;
    struct waiting *waiting, **waiting_end;
};

static void on_timer(void *ctx)
{
    loaded_settle(ctx);
}

static void answer_all(struct loaded *l)
{
    while (l->waiting) {
        struct waiting *w = l->waiting;
        l->waiting = w->next;
        vici_answer(w->call, &w->m);
        free(w);
    }
    l->waiting_end = &l->waiting;
}

static void on_names_late(void *ctx)
{
    struct iked *d = ctx;
    log_say(LOG_WARN, "conf", "some DNS names have no address yet; going on without them");
    loaded_settle(d);
    answer_all(d->loaded);
}

err_t loaded_new(struct iked *d)
{
    struct loaded *l = calloc(1, sizeof *l);
    if (!l) return ERR_NOMEM;
    d->loaded = l;
    l->waiting_end = &l->waiting;
    l->timer = loop_timer_new(d->loop, on_timer, d);
    l->names_timer = loop_timer_new(d->loop, on_names_late, d);
    l->parts = parts_new();
    return l->timer && l->names_timer && l->parts ? parts_join(l->parts, &d->config) : ERR_NOMEM;
}

void loaded_free(struct iked *d)
{
    struct loaded *l = d->loaded;
    d->loaded = NULL;
    config_free(d->config);
    d->config = NULL;
    if (!l) return;
    answer_all(l);
    loop_timer_free(l->timer);
    loop_timer_free(l->names_timer);
    parts_free(l->parts);
    config_free(l->file);
    free(l);
}

struct parts *loaded_parts(const struct iked *d)
{
    return d->loaded->parts;
}

// ---- bringing into force ----

static err_t put_in_force(struct iked *d)
{
    struct loaded *l = d->loaded;
    struct config *old = d->config, *whole;
    uint64_t since = clock_mono();
    l->dirty = false;
    loop_timer_stop(l->timer);
    TRY(parts_join(l->parts, &whole));
    d->config = whole;
    works_serve(d, whole);
    ike_configure(d->ike, whole);
    config_free(old); // the diplomat has let go of it
    names_watch(d);
    iked_rearm(d);
    l->took_ns = clock_mono() - since;
    return ERR_OK;
}

void loaded_settle(struct iked *d)
{
    if (!d->loaded->dirty || d->stopping) return;
    if (put_in_force(d) != ERR_OK)
        log_say(LOG_ERROR, "conf", "out of memory: what was loaded is not in force");
}

void loaded_scripts_in(struct iked *d, struct config *c)
{
    config_free(d->loaded->file);
    d->loaded->file = c;
}

err_t loaded_set_file(struct iked *d, struct config *c)
{
    loaded_scripts_in(d, config_hold(c));
    TRY(parts_set_file(d->loaded->parts, c));
    return put_in_force(d);
}

// ---- updown scripts ----

static bool names_script(const struct config *c, const char *command)
{
    for (unsigned i = 0; c && i < c->conn_n; i++) {
        for (unsigned k = 0; k < c->conn[i].child_n; k++) {
            const char *script = c->conn[i].child[k].updown;
            if (script && strcmp(script, command) == 0) return true;
        }
    }
    return false;
}

bool loaded_script(struct iked *d, const char *command)
{
    struct config *now;
    if (!d->scripts) return false;
    if (names_script(d->loaded->file, command)) return true;
    if (config_load_outline(d->options.config, &now) != ERR_OK) return false;
    loaded_scripts_in(d, now);
    scripts_reload(d->scripts);
    return names_script(now, command);
}

// ---- what clients load ----

static bool has_names(const struct config *c)
{
    for (unsigned i = 0; i < c->conn_n; i++) {
        const struct conf_conn *n = &c->conn[i];
        for (unsigned k = 0; k < n->local_addr_n; k++) {
            if (n->local_addr[k].name) return true;
        }
        for (unsigned k = 0; k < n->remote_addr_n; k++) {
            if (n->remote_addr[k].name) return true;
        }
    }
    return false;
}

static bool wait_for_names(struct iked *d, struct vici_call *call, struct vici_msg *m,
                           const struct config *names)
{
    struct loaded *l = d->loaded;
    if (!call || !names || !has_names(names)) return false;
    names_ask(d, names);
    struct waiting *w = resolver_busy(d->resolver) ? calloc(1, sizeof *w) : NULL;
    if (!w) return false;
    *w = (struct waiting){.call = call, .m = *m};
    if (!l->waiting) loop_timer_at(l->names_timer, clock_mono() + RELOAD_NAMES_NS);
    *l->waiting_end = w;
    l->waiting_end = &w->next;
    return true;
}

void loaded_on_names(struct iked *d)
{
    struct loaded *l = d->loaded;
    if (!l->waiting || resolver_busy(d->resolver)) return;
    loop_timer_stop(l->names_timer);
    loaded_settle(d);
    answer_all(l);
}

void loaded_changed(struct iked *d, struct vici_call *call, struct vici_msg *m,
                    const struct config *names)
{
    struct loaded *l = d->loaded;
    bool waits = wait_for_names(d, call, m, names);
    if (!l->dirty && !waits) {
        uint64_t wait = LOADED_SHARE * l->took_ns;
        loop_timer_at(l->timer, clock_mono() + (wait > LOADED_WAIT_NS ? wait : LOADED_WAIT_NS));
    }
    l->dirty = true;
    if (call && !waits) vici_answer(call, m);
}
