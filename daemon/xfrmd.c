// xfrmd.c - pavise-xfrmd: puts the executor together and runs it.
//
//     clients --NETLINK_XFRM--> server --> control --> SAD, SPD <-- engine <--> ports <--> network
//                                  ^          |                       |
//                                  |          v events                v news (ACQUIRE, EXPIRE)
//                                  +------ on_event <---- control <---+
//                                             |
//                                             +--> policies --> guard, steer, past
//
// Threads: this one (control: the loop, all of the above but the engine's packets) and the engine's
// workers.
#include <linux/capability.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/guard.h"
#include "daemon/guard_nft.h"
#include "daemon/lent.h"
#include "daemon/marks.h"
#include "daemon/nft_watch.h"
#include "daemon/past.h"
#include "daemon/past_rules.h"
#include "daemon/policies.h"
#include "daemon/ready.h"
#include "daemon/sandbox.h"
#include "daemon/sources.h"
#include "daemon/steer.h"
#include "daemon/xfrmd_explain.h"
#include "daemon/xfrmd_options.h"
#include "daemon/xfrmd_ports.h"
#include "daemon/xfrmd_stat.h"
#include "daemon/xfrmd_trace.h"
#include "netlink/server.h"
#include "xfrm/control.h"
#include "xfrm/engine.h"

// A request can bring a deadline forward without an event (ALLOCSPI); it is found this late.
#define TICK_MAX NSEC_PER_SEC
#define STAT_SUFFIX "-stat"
#define EXPLAIN_SUFFIX "-explain"
#define TRACE_SUFFIX "-trace"

struct xfrmd {
    struct xfrmd_options options;
    struct loop *loop;
    struct loop_timer *tick;
    struct db *db;
    struct control *control;
    struct engine *engine;
    struct xfrmd_ports ports;
    struct xfrm_server *server;
    struct policies *policies;
    struct guard *guard;
    struct steer *steer;
    struct past *past;
    struct xfrmd_stat *stat;
    struct xfrmd_explain *explain;
    struct xfrmd_trace *trace;
    struct lent *lent;
    struct xdp *xdp; // NULL: not wanted
    struct sources *sources;
    struct marks *marks;
    struct nft_watch *nft_watch; // NULL: none, or it is not possible
    uint64_t busy;               // when there was last a client, an SA or a policy (monotonic ns)
    char stat_name[128], explain_name[128], trace_name[128];
    bool plain;   // IP in IP is listened to
    bool failed;  // ends with exit status 1
    bool leaving; // ends as if killed: routes and guards stay
};

// ---- policies act on the host ----

static void on_policy_add(void *ctx, const struct xfrm_policy *p)
{
    struct xfrmd *d = ctx;
    guard_add(d->guard, p); // closed before anything is led that way
    steer_add(d->steer, p);
    past_add(d->past, p);
}

static void on_policy_del(void *ctx, const struct xfrm_policy *p)
{
    struct xfrmd *d = ctx;
    steer_del(d->steer, p);
    guard_del(d->guard, p);
    past_del(d->past, p);
}

static void on_policy_change(void *ctx, const struct xfrm_policy *old,
                             const struct xfrm_policy *now)
{
    struct xfrmd *d = ctx;
    guard_change(d->guard, old, now);
    steer_add(d->steer, now); // first the new, so that a route they share never goes
    steer_del(d->steer, old);
    past_change(d->past, old, now);
}

// ---- events and time ----

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    struct xfrmd *d = ctx;
    if (d->policies) policies_event(d->policies, ev);
    if (d->guard && ev->kind == XFRM_EV_DEFAULT) guard_defaults(d->guard, ev->defaults);
    if (d->past && ev->kind == XFRM_EV_DEFAULT) past_defaults(d->past, ev->defaults);
    if (d->server) xfrm_server_event(d->server, ev);
    if (d->engine) engine_kick(d->engine);
    loop_timer_at(d->tick, 0); // deadlines may have changed
}

static void listen_as_needed(struct xfrmd *d)
{
    bool needed = sad_count_plain(d->db->sad) > 0;
    if (needed != d->plain) xfrmd_ports_listen_plain(&d->ports, needed);
    d->plain = needed;
}

static bool on_listened(void *ctx, enum xfrm_event_kind kind)
{
    const struct xfrmd *d = ctx;
    return d->server && xfrm_server_listened(d->server, kind);
}

static void on_keepalive(void *ctx, const endpoint_t *from, const endpoint_t *to, uint32_t mark)
{
    const struct xfrmd *d = ctx;
    const uint16_t family = to->ip.family;
    const struct port *udp = d->ports.of[0].udp[family == AF_INET6 ? ENGINE_V6 : ENGINE_V4];
    if (from->port != d->options.port) udp = sources_port(d->sources, family, from->port);
    if (udp) udp_encap_keepalive(udp, &from->ip, to, mark);
}

// ---- --exit-when-idle ----

static bool holds_nothing(const struct xfrmd *d)
{
    struct xfrm_counts n = {0};
    const struct xfrm_api api = control_api(d->control);
    if (xfrm_server_clients(d->server) || api.ops->counts(api.ctx, &n) != ERR_OK) return false;
    uint32_t policies = 0;
    for (int dir = 0; dir < XFRM_DIRS; dir++) policies += n.policies[dir];
    return n.sa_count == 0 && policies == 0;
}

static void leave_when_idle(struct xfrmd *d)
{
    uint64_t now = clock_mono();
    if (!d->options.idle_seconds) return;
    if (!holds_nothing(d)) d->busy = now;
    if (now - d->busy < d->options.idle_seconds * NSEC_PER_SEC) return;
    log_say(LOG_STORY, "xfrmd", "no SA, no policy and no client for %u s: leaving",
            d->options.idle_seconds);
    loop_stop(d->loop);
}

static void on_tick(void *ctx)
{
    struct xfrmd *d = ctx;
    leave_when_idle(d);
    listen_as_needed(d);
    marks_tend(d->marks);
    past_tend(d->past);
    uint64_t next = control_tick(d->control), latest = clock_mono() + TICK_MAX;
    loop_timer_at(d->tick, next < latest ? next : latest);
}

static void on_worker_event(void *ctx, const struct xfrm_event *ev)
{
    struct xfrmd *d = ctx;
    control_worker_event(d->control, ev);
}

static void on_wake(void *ctx)
{
    struct xfrmd *d = ctx;
    engine_news(d->engine, on_worker_event, d);
    loop_timer_at(d->tick, 0);
    if (!engine_tun_lost(d->engine)) return;
    log_say(LOG_ERROR, "xfrmd",
            "device %s was deleted; leaving, so that whoever watches over us starts us again",
            d->options.tun);
    d->failed = true;
    d->leaving = true; // until then nothing goes or comes in clear
    loop_stop(d->loop);
}

static void on_signal(void *ctx, int signal)
{
    struct xfrmd *d = ctx;
    log_say(LOG_STORY, "xfrmd", "signal %d: routes, rules and guards go, then we do", signal);
    loop_stop(d->loop);
}

// For an upgrade: whoever comes next finds everything closed.
static void on_leave_signal(void *ctx, int signal)
{
    struct xfrmd *d = ctx;
    log_say(LOG_STORY, "xfrmd", "signal %d: leaving; routes to nowhere and guards stay", signal);
    d->leaving = true;
    loop_stop(d->loop);
}

// ---- start, in the order of need; xfrmd_stop() undoes what was done ----

static err_t start_core(struct xfrmd *d, struct why *why)
{
    d->loop = loop_new();
    if (d->loop) d->tick = loop_timer_new(d->loop, on_tick, d);
    d->db = db_new();
    if (d->db) d->control = control_new(d->db, on_event, d);
    if (d->control) control_on_listened(d->control, on_listened, d);
    if (d->control) control_on_keepalive(d->control, on_keepalive, d);
    if (d->control) control_set_workers(d->control, d->options.workers);
    if (d->control && d->options.legacy) control_allow_legacy(d->control);
    if (!d->tick || !d->control) return why_not(why, ERR_NOMEM, "out of memory");
    TRY(loop_on_signal(d->loop, SIGTERM, on_signal, d));
    TRY(loop_on_signal(d->loop, SIGINT, on_signal, d));
    TRY(loop_on_signal(d->loop, SIGUSR2, on_leave_signal, d));
    // First of all that others can see: if another one runs here, nothing of his is touched.
    return xfrm_server_new(d->loop, d->options.socket, control_api(d->control), &d->server, why);
}

static err_t start_host(struct xfrmd *d, struct why *why)
{
    const struct xfrmd_options *o = &d->options;
    const struct guard_conf guard = {o->guard,  d->loop,   o->tun,  o->port,
                                     o->fwmark, geteuid(), o->grace};
    const struct steer_conf steer = {d->loop, o->tun,    o->table, o->fwmark,
                                     o->port, geteuid(), o->grace};
    const struct policies_hooks hooks = {on_policy_add, on_policy_del, on_policy_change, d};
    TRY(xfrmd_ports_open(o, d->xdp, &d->ports, why));
    TRY(guard_new(&guard, &d->guard, why));
    TRY(steer_new(&steer, &d->steer, why));
    d->policies = policies_new(control_api(d->control), &hooks);
    if (!d->policies) return why_not(why, ERR_NOMEM, "out of memory");
    guard_watch(d->guard, d->policies);
    return ERR_OK;
}

static bool is_guarded(const struct xfrmd *d, uint16_t family)
{
    return strcmp(guard_way(d->guard, family), "off") != 0;
}

static err_t start_past(struct xfrmd *d, struct why *why)
{
    const struct xfrmd_options *o = &d->options;
    const struct past_conf conf = {.loop = d->loop,
                                   .how = o->forward_clear,
                                   .tun = o->tun,
                                   .table = o->table,
                                   .mark = o->clear_mark,
                                   .v4 = is_guarded(d, AF_INET),
                                   .v6 = is_guarded(d, AF_INET6),
                                   .wait_s = steer_has_leftovers(d->steer) ? o->grace : 0};
    return past_new(&conf, d->policies, &d->past, why);
}

static err_t start_engine(struct xfrmd *d, struct why *why)
{
    const struct xfrmd_options *o = &d->options;
    const struct engine_conf conf = {.db = d->db,
                                     .loop = d->loop,
                                     .ports = d->ports.of,
                                     .workers = o->workers,
                                     .allow_clear_in = o->allow_clear_in,
                                     .pin = o->workers > 1,
                                     .mss = o->mss,
                                     .dummy_rate = o->dummy_rate,
                                     .fwmark = o->fwmark,
                                     .udp_port = o->port,
                                     .xdp = d->xdp,
                                     .tun = if_nametoindex(o->tun)};
    TRY(engine_new(&conf, &d->engine, why));
    loop_on_wake(d->loop, on_wake, d);
    TRY(engine_start(d->engine, why));
    if (d->xdp) xdp_start(d->xdp, conf.tun);
    return ERR_OK;
}

static err_t on_lend(void *ctx, const endpoint_t *at, bool on)
{
    const struct xfrmd *d = ctx;
    return lent_set(d->lent, at, on);
}

static err_t start_lent(struct xfrmd *d, struct why *why)
{
    d->lent = lent_new(&d->options, d->engine);
    if (!d->lent) return why_not(why, ERR_NOMEM, "out of memory");
    xfrm_server_on_lend(d->server, on_lend, d);
    return ERR_OK;
}

static void on_source(void *ctx, uint16_t family, uint16_t number, bool on)
{
    const struct xfrmd *d = ctx;
    guard_source(d->guard, family, number, on);
    steer_source(d->steer, family, number, on);
}

static err_t start_sources(struct xfrmd *d, struct why *why)
{
    const struct sources_hooks hooks = {on_source, d};
    struct control_sources asked = sources_control;
    d->sources = sources_new(&d->options, d->engine, &hooks);
    if (!d->sources) return why_not(why, ERR_NOMEM, "out of memory");
    asked.ctx = d->sources;
    control_on_sources(d->control, &asked);
    return ERR_OK;
}

static err_t start_marks(struct xfrmd *d, struct why *why)
{
    const struct marks_conf conf = {&d->options, d->engine, d->steer, d->guard};
    struct control_marks asked = marks_control;
    d->marks = marks_new(&conf);
    if (!d->marks) return why_not(why, ERR_NOMEM, "out of memory");
    asked.ctx = d->marks;
    control_on_marks(d->control, &asked);
    return ERR_OK;
}

// nftables are everybody's.
static void on_table_gone(void *ctx, const char *table)
{
    const struct xfrmd *d = ctx;
    if (strcmp(table, GUARD_NFT_TABLE) == 0) guard_restore(d->guard);
    if (strcmp(table, PAST_TABLE_NAME) == 0) past_restore(d->past);
    if (strcmp(table, MARKS_TABLE) == 0) marks_restore(d->marks);
}

static void on_rules_changed(void *ctx)
{
    const struct xfrmd *d = ctx;
    past_look(d->past);
}

static void start_nft_watch(struct xfrmd *d)
{
    const struct nft_watch_hooks hooks = {
        on_table_gone, on_rules_changed, d, {GUARD_NFT_TABLE, PAST_TABLE_NAME, MARKS_TABLE}};
    d->nft_watch = nft_watch_new(d->loop, &hooks);
}

static err_t start_stat(struct xfrmd *d, struct why *why)
{
    int n = snprintf(d->stat_name, sizeof d->stat_name, "%s" STAT_SUFFIX, d->options.socket);
    if (n < 0 || (size_t)n >= sizeof d->stat_name)
        return why_not(why, ERR_RANGE, "--socket: the name is too long");
    const struct xfrmd_stat_conf conf = {.loop = d->loop,
                                         .name = d->stat_name,
                                         .tun = d->options.tun,
                                         .engine = d->engine,
                                         .ports = &d->ports,
                                         .lent = d->lent,
                                         .sources = d->sources,
                                         .marks = d->marks,
                                         .guard = d->guard,
                                         .db = d->db,
                                         .api = control_api(d->control)};
    return xfrmd_stat_new(&conf, &d->stat, why);
}

static err_t start_explain(struct xfrmd *d, struct why *why)
{
    int n =
        snprintf(d->explain_name, sizeof d->explain_name, "%s" EXPLAIN_SUFFIX, d->options.socket);
    if (n < 0 || (size_t)n >= sizeof d->explain_name)
        return why_not(why, ERR_RANGE, "--socket: the name is too long");
    const struct xfrmd_explain_conf conf = {.loop = d->loop,
                                            .name = d->explain_name,
                                            .db = d->db,
                                            .fwmark = d->options.fwmark,
                                            .tun_mtu = d->options.mtu,
                                            .allow_clear_in = d->options.allow_clear_in};
    return xfrmd_explain_new(&conf, &d->explain, why);
}

static err_t start_trace(struct xfrmd *d, struct why *why)
{
    int n = snprintf(d->trace_name, sizeof d->trace_name, "%s" TRACE_SUFFIX, d->options.socket);
    if (n < 0 || (size_t)n >= sizeof d->trace_name)
        return why_not(why, ERR_RANGE, "--socket: the name is too long");
    const struct xfrmd_trace_conf conf = {
        .loop = d->loop, .name = d->trace_name, .engine = d->engine};
    return xfrmd_trace_new(&conf, &d->trace, why);
}

// Devices, routes and marks; raw sockets; UDP ports below 1024. Only the guard starts a program:
// nft.
static const struct sandbox_conf sandbox = {
    .caps = SANDBOX_CAP(NET_ADMIN) | SANDBOX_CAP(NET_RAW) | SANDBOX_CAP(NET_BIND_SERVICE),
    .programs = true,
    .writable = {"/dev/net/tun", "/proc/sys/net", "/dev/null"},
};

// Before the sandbox, which forbids what it takes: programs for the kernel, and their sockets.
static err_t start_xdp(struct xfrmd *d, struct why *why)
{
    const struct xfrmd_options *o = &d->options;
    const char *const inner = *o->xdp[XDP_INNER] ? o->xdp[XDP_INNER] : NULL;
    const struct xdp_conf conf = {.device = {o->xdp[XDP_OUTER], inner},
                                  .udp_port = o->port,
                                  .udp = !o->no_udp,
                                  .esp = !o->no_raw,
                                  .workers = o->workers};
    if (!*o->xdp[XDP_OUTER]) return ERR_OK;
    TRY(xdp_open(&conf, &d->xdp, why));
    for (int side = 0; side < XDP_SIDES; side++) {
        if (conf.device[side])
            log_say(LOG_STORY, "xfrmd", "%s: packets pass by the host's stack and firewall (%s)",
                    conf.device[side], xdp_way(d->xdp, (enum xdp_side)side));
    }
    return ERR_OK;
}

static err_t xfrmd_start(struct xfrmd *d, struct why *why)
{
    TRY(start_xdp(d, why));
    TRY(sandbox_enter(&sandbox, why));
    TRY(start_core(d, why));
    TRY(start_host(d, why));
    TRY(start_past(d, why));
    TRY(start_engine(d, why));
    TRY(start_lent(d, why));
    TRY(start_sources(d, why));
    TRY(start_marks(d, why));
    start_nft_watch(d);
    TRY(start_stat(d, why));
    TRY(start_explain(d, why));
    TRY(start_trace(d, why));
    d->busy = clock_mono();
    loop_timer_at(d->tick, 0);
    return ERR_OK;
}

static err_t on_lend_end(void *ctx, const endpoint_t *at, bool on)
{
    (void)ctx, (void)at, (void)on;
    return ERR_OK; // all have been taken back
}

static void xfrmd_stop(struct xfrmd *d)
{
    struct xfrm_server *server = d->server;
    d->server = NULL; // nobody is told of the end of SAs
    nft_watch_free(d->nft_watch);
    xfrmd_trace_free(d->trace);
    xfrmd_explain_free(d->explain);
    xfrmd_stat_free(d->stat);
    if (server) xfrm_server_on_lend(server, on_lend_end, NULL);
    lent_free(d->lent);
    if (d->control) control_on_sources(d->control, &(struct control_sources){0});
    sources_free(d->sources);
    if (d->control) control_on_marks(d->control, &(struct control_marks){0});
    marks_free(d->marks);
    if (d->xdp) xdp_stop(d->xdp);
    if (d->engine) engine_stop(d->engine);
    engine_free(d->engine);
    d->engine = NULL;
    past_free(d->past);
    steer_free(d->steer);
    guard_free(d->guard);
    policies_free(d->policies);
    d->policies = NULL;
    xfrmd_ports_close(&d->ports);
    xdp_free(d->xdp);
    if (d->control) control_free(d->control);
    if (d->db) db_free(d->db);
    loop_timer_free(d->tick);
    // Its name is free when all else is: another pavise-xfrmd then has nothing in its way.
    if (server) xfrm_server_free(server);
    loop_free(d->loop);
}

static void tell_how(const struct xfrmd *d)
{
    const struct xfrmd_options *o = &d->options;
    log_say(LOG_STORY, "xfrmd",
            "ready: device %s (MTU %u), ESP over %s, socket %s, clear text kept out by %s (IPv4) "
            "and %s (IPv6)",
            o->tun, o->mtu,
            o->no_udp   ? "IP"
            : o->no_raw ? "UDP"
                        : "IP and UDP",
            o->socket, guard_way(d->guard, AF_INET), guard_way(d->guard, AF_INET6));
}

static int xfrmd_run(const struct xfrmd_options *o)
{
    struct xfrmd d = {.options = *o};
    struct why why = {"out of memory"};
    rcu_register_thread();
    err_t e = xfrmd_start(&d, &why);
    if (e == ERR_OK) {
        tell_how(&d);
        ready_tell("READY=1");
        rcu_thread_offline(); // the loop sleeps; who touches the database goes online for it
        loop_run(d.loop);
        rcu_thread_online();
        ready_tell("STOPPING=1");
    } else if (e == ERR_EXISTS && o->idle_seconds) {
        // Started because there was none: another one was faster, and serves as well.
        log_say(LOG_INFO, "xfrmd", "%s", why.text);
        e = ERR_OK;
    } else {
        log_say(LOG_ERROR, "xfrmd", "%s", why.text);
    }
    if (d.leaving) _exit(d.failed ? EXIT_FAILURE : EXIT_SUCCESS);
    xfrmd_stop(&d);
    rcu_unregister_thread();
    return e != ERR_OK || d.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct xfrmd_options o;
    struct why why;
    if (xfrmd_options_read(argc, argv, &o, &why) != ERR_OK) {
        (void)fprintf(stderr, "pavise-xfrmd: %s\n", why.text);
        return EXIT_FAILURE;
    }
    if (o.help || o.version) {
        (void)fputs(o.help ? xfrmd_options_help : "pavise-xfrmd " PAVISE_VERSION "\n", stdout);
        return EXIT_SUCCESS;
    }
    log_set_level(o.log_level);
    log_add_sink(log_stderr_sink(), NULL);
    (void)signal(SIGPIPE, SIG_IGN); // a client that hangs up is not the end
    return xfrmd_run(&o);
}
