#include "test/bench/load_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/order.h"
#include "crypto/rng.h"
#include "ike/sa/work.h"

#define MANY 100000 // half-open IKE SAs: nobody attacks us here

// ---- struct env --------------------------------------------------------------------------------

static uint64_t env_now(void *ctx)
{
    (void)ctx;
    return clock_mono();
}

static uint64_t env_wall(void *ctx)
{
    (void)ctx;
    return clock_wall();
}

static void env_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    rng_fill(out, n);
}

static void env_send(void *ctx, const struct datagram *d)
{
    net_send(((struct load_host *)ctx)->net, d);
}

// Each call comes from another address, as from another host.
static ip_t env_source_for(void *ctx, const ip_t *peer)
{
    struct load_host *h = ctx;
    if (h->address.family != peer->family) return net_source_for(h->net, peer);
    ip_t mine = h->address;
    put32(h->address.b, get32(mine.b) + 1);
    return mine;
}

static err_t env_resolve(void *ctx, const char *name, uint16_t family, ip_t *out)
{
    (void)ctx, (void)name, (void)family, (void)out;
    return ERR_NOTFOUND;
}

// Signatures are made at once; what they were made for hears of it when the diplomat has returned.
static err_t env_work(void *ctx, struct ike_work *w)
{
    struct load_host *h = ctx;
    w->run(w);
    w->next = NULL;
    *h->ran_end = w;
    h->ran_end = &w->next;
    return ERR_OK;
}

static void env_tell(void *ctx, enum log_level level, const struct ike_sa *sa, const char *sentence)
{
    const struct load_host *h = ctx;
    (void)sa;
    if (h->verbose || level <= LOG_WARN) (void)fprintf(stderr, "ike_load: %s\n", sentence);
}

static void env_event(void *ctx, enum ike_event_kind kind, const struct ike_sa *sa,
                      const struct child_sa *child)
{
    struct load_host *h = ctx;
    (void)sa, (void)child;
    if (kind == CHILD_EV_UP) h->children_up++;
}

// ---- from outside ------------------------------------------------------------------------------

void load_settle(struct load_host *h)
{
    while (h->ran) {
        struct ike_work *w = h->ran;
        h->ran = w->next;
        if (!h->ran) h->ran_end = &h->ran;
        ike_work_done(h->ike, w);
    }
    uint64_t next = ike_next(h->ike);
    if (next == UINT64_MAX) {
        loop_timer_stop(h->ticker);
    } else {
        loop_timer_at(h->ticker, next);
    }
}

static void on_datagram(void *ctx, const struct datagram *d)
{
    struct load_host *h = ctx;
    ike_input(h->ike, d);
    load_settle(h);
    h->after(h->ctx);
}

static void on_tick(void *ctx)
{
    struct load_host *h = ctx;
    ike_tick(h->ike);
    load_settle(h);
    h->after(h->ctx);
}

// ---- life --------------------------------------------------------------------------------------

static err_t multiply(struct config *c)
{
    const struct conf_conn *first = c->conn;
    struct conf_conn *all = arena_array(&c->arena, LOAD_BATCH, sizeof *all);
    if (!all) return ERR_NOMEM;
    for (unsigned i = 0; i < LOAD_BATCH; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "load%u", i);
        all[i] = *first;
        all[i].name = arena_str(&c->arena, name, strlen(name));
        if (!all[i].name) return ERR_NOMEM;
    }
    c->conn = all;
    c->conn_n = LOAD_BATCH;
    return ERR_OK;
}

err_t load_forget(struct load_host *h)
{
    const struct env env = {.ctx = h,
                            .now = env_now,
                            .wall = env_wall,
                            .random = env_random,
                            .send = env_send,
                            .source_for = env_source_for,
                            .resolve = env_resolve,
                            .work = env_work,
                            .xfrm = null_xfrm_api(&h->null),
                            .tell = env_tell,
                            .event = env_event};
    struct ike_options o = ike_options_default();
    o.cookie_threshold = o.cookie_threshold_ip = o.half_open_max = MANY;
    ike_free(h->ike);
    h->ike = ike_new(&env, &o);
    if (!h->ike) return ERR_NOMEM;
    ike_configure(h->ike, h->config);
    return ERR_OK;
}

static err_t read_config(struct load_host *h, const char *path, struct why *why)
{
    struct conf_issues issues = {0};
    err_t err = config_load(path, &h->config, &issues);
    if (err != ERR_OK) {
        const struct conf_issue *i = issues.n ? issues.issue : NULL;
        err = why_not(why, err, "%s, line %u: %s", path, i ? i->line : 0,
                      i ? i->what : err_text(err));
    } else if (h->config->conn_n == 0) {
        err = why_not(why, ERR_SYNTAX, "%s has no connection", path);
    }
    conf_issues_done(&issues);
    return err == ERR_OK ? multiply(h->config) : err;
}

err_t load_open(struct load_host *h, const char *conf, struct why *why)
{
    const struct net_options net = net_options_default();
    h->ran_end = &h->ran;
    TRY(read_config(h, conf, why));
    h->loop = loop_new();
    h->ticker = h->loop ? loop_timer_new(h->loop, on_tick, h) : NULL;
    if (!h->ticker) return why_not(why, ERR_NOMEM, "no event loop");
    TRY(net_open(h->loop, &net, on_datagram, h, &h->net, why));
    return load_forget(h);
}

void load_close(struct load_host *h)
{
    ike_free(h->ike);
    net_free(h->net);
    loop_timer_free(h->ticker);
    loop_free(h->loop);
    config_free(h->config);
}
