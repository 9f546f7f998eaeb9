#include "daemon/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/loaded.h"
#include "daemon/names.h"
#include "daemon/ready.h"
#include "daemon/resolver.h"
#include "daemon/scripts.h"
#include "daemon/settings.h"

struct reload {
    struct config *config;
    struct loop_timer *timer;
    reload_fn *done;
    void *ctx;
};

// ---- reading ----

void reload_log_issue(const struct conf_issue *i)
{
    log_say(i->warning ? LOG_WARN : LOG_ERROR, "conf", "%s:%u:%u: %s%s%s", i->file, i->line,
            i->column, i->what, i->hint ? "; " : "", i->hint ? i->hint : "");
}

err_t reload_read(const struct iked *d, struct config **out, struct why *why)
{
    struct conf_issues issues = {.legacy = d->options.legacy};
    err_t e = config_load(d->options.config, out, &issues);
    for (unsigned i = 0; i < issues.n; i++) reload_log_issue(&issues.issue[i]);
    if (e != ERR_OK) {
        const char *first = issues.n ? issues.issue[0].what : err_text(e);
        for (unsigned i = 0; i < issues.n; i++) {
            if (issues.issue[i].warning) continue;
            first = issues.issue[i].what;
            break;
        }
        (void)why_not(why, e, "%s: %u mistake%s, the first: %s", d->options.config,
                      issues.errors ? issues.errors : 1, issues.errors > 1 ? "s" : "", first);
    }
    conf_issues_done(&issues);
    return e;
}

// ---- bringing into force ----

static void finish(struct reload *r, err_t err, const char *sentence)
{
    loop_timer_free(r->timer);
    config_free(r->config);
    if (r->done) r->done(r->ctx, err, sentence);
    free(r);
}

void reload_cancel(struct iked *d)
{
    struct reload *r = d->reload;
    d->reload = NULL;
    if (r) finish(r, ERR_CLOSED, "another configuration has come in between");
}

// What has been opened at the start stays as it is.
static void warn_of_restart(const struct config *old, const struct config *new)
{
    bool same = old->executor == new->executor && old->port == new->port &&
                old->port_nat_t == new->port_nat_t && old->fwmark == new->fwmark;
    if (same && strcmp(old->vici_socket, new->vici_socket) == 0) return;
    log_say(LOG_WARN, "conf",
            "section `pavise` has changed; executor, ports, mark and control socket wait for the "
            "next start");
}

static void put_in_force(struct iked *d)
{
    struct reload *r = d->reload;
    struct config *c = r->config;
    if (d->configured) warn_of_restart(d->config, c);
    unsigned secrets = c->psk_n + c->eap_n + c->ntlm_n;
    d->configured = true;
    d->reload = NULL;
    r->config = NULL;
    log_say(LOG_INFO, "conf", "%s: %u connection%s and %u secret%s in force", d->options.config,
            c->conn_n, c->conn_n == 1 ? "" : "s", secrets, secrets == 1 ? "" : "s");
    if (d->scripts) scripts_reload(d->scripts);
    err_t err = loaded_set_file(d, c);
    finish(r, err, err == ERR_OK ? "" : err_text(err));
    ready_tell("READY=1");
}

static void on_names_late(void *ctx)
{
    struct iked *d = ctx;
    log_say(LOG_WARN, "conf", "some DNS names have no address yet; going on without them");
    put_in_force(d);
}

void reload_on_names(struct iked *d)
{
    if (d->reload && !resolver_busy(d->resolver)) put_in_force(d);
}

void reload_apply(struct iked *d, struct config *c, reload_fn *done, void *ctx)
{
    reload_cancel(d);
    struct reload *r = calloc(1, sizeof *r);
    struct loop_timer *timer = r ? loop_timer_new(d->loop, on_names_late, d) : NULL;
    if (!timer) {
        free(r);
        config_free(c);
        if (done) done(ctx, ERR_NOMEM, err_text(ERR_NOMEM));
        return;
    }
    *r = (struct reload){.config = c, .timer = timer, .done = done, .ctx = ctx};
    d->reload = r;
    names_ask(d, c);
    loop_timer_at(timer, clock_mono() + RELOAD_NAMES_NS);
    reload_on_names(d);
}

void reload_start(struct iked *d, reload_fn *done, void *ctx)
{
    struct config *c = NULL;
    struct why why = {0};
    if (!d->stopping) settings_again(d);
    if (d->options.vici_only) { // the file counts at the start only
        if (d->scripts) scripts_reload(d->scripts);
        if (done) done(ctx, ERR_OK, "");
        return;
    }
    ready_reloading();
    err_t e =
        d->stopping ? why_not(&why, ERR_STATE, "the daemon is ending") : reload_read(d, &c, &why);
    if (e == ERR_OK) {
        reload_apply(d, c, done, ctx);
        return;
    }
    log_say(LOG_ERROR, "conf", "%s; the configuration in force stays as it is", why.text);
    ready_tell("READY=1");
    if (done) done(ctx, e, why.text);
}
