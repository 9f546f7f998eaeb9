// iked.c - pavise-iked, the diplomat's composition root: the only place that knows everybody.
//
//     swanctl.conf -> conf/ --+                          +--> net: UDP 500 and 4500
//     VICI clients -> vici/ --+--> ike/  (struct env) ---+--> netlink/client: pavise-xfrmd or
//     kernel resolver, clock, rng ---+                          +--> events, log, keylog
#include "daemon/iked.h"

#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/commands.h"
#include "daemon/dhcp.h"
#include "daemon/events.h"
#include "daemon/farp.h"
#include "daemon/given.h"
#include "daemon/hold.h"
#include "daemon/iked_env.h"
#include "daemon/keylog.h"
#include "daemon/leases.h"
#include "daemon/loaded.h"
#include "daemon/names.h"
#include "daemon/network.h"
#include "daemon/radius.h"
#include "daemon/radius_acct.h"
#include "daemon/radius_dae.h"
#include "daemon/ready.h"
#include "daemon/reload.h"
#include "daemon/resolver.h"
#include "daemon/routes.h"
#include "daemon/sandbox.h"
#include "daemon/scripts.h"
#include "daemon/settings.h"
#include "daemon/story.h"
#include "daemon/works.h"
#include "ike/net/net.h"

#define RESOLV_CONF "/etc/resolv.conf" // what section pavise says of itself
#define SHUTDOWN_NS (3 * NSEC_PER_SEC) // for the peers' answers to our DELETEs
#define EXIT_USAGE 2

void iked_rearm(struct iked *d)
{
    uint64_t next = d->ike ? ike_next(d->ike) : UINT64_MAX;
    leases_notice(d);
    hold_turn_over(d);
    if (next == UINT64_MAX) {
        loop_timer_stop(d->ticker);
    } else {
        loop_timer_at(d->ticker, next);
    }
}

// ---- what happens outside ----

static void on_datagram(void *ctx, const struct datagram *datagram)
{
    struct iked *d = ctx;
    if (network_leaves_out(d->network, &datagram->to.ip)) return;
    ike_input(d->ike, datagram);
    iked_rearm(d);
}

static void on_xfrm_event(void *ctx, const struct xfrm_event *ev)
{
    struct iked *d = ctx;
    if (!d->ike) return; // still starting
    ike_xfrm_event(d->ike, ev);
    iked_rearm(d);
}

static void on_executor_back(void *ctx)
{
    struct iked *d = ctx;
    if (!d->ike || d->stopping) return;
    log_say(LOG_WARN, "iked",
            "the executor has started anew: installing policies, asking for fresh keys");
    if (d->given) given_again(d->given);
    ike_executor_returned(d->ike);
    iked_rearm(d);
}

static void on_tick(void *ctx)
{
    struct iked *d = ctx;
    ike_tick(d->ike);
    iked_rearm(d);
}

// In one of the resolver's threads; works.c has others that do the same.
static void on_name(void *ctx)
{
    struct iked *d = ctx;
    loop_wake(d->loop);
}

static void on_wake(void *ctx)
{
    struct iked *d = ctx;
    reload_on_names(d);
    loaded_on_names(d);
    names_on_answer(d);
    works_deliver(d);
    iked_rearm(d);
}

// ---- signals ----

static void on_down(void *ctx, err_t err, const char *sentence)
{
    struct iked *d = ctx;
    if (err != ERR_OK) log_say(LOG_WARN, "iked", "%s", sentence);
    acct_end_loop(d, SHUTDOWN_NS);
}

static void on_end_signal(void *ctx, int signal)
{
    struct iked *d = ctx;
    if (d->stopping) { // asked twice: in a hurry
        loop_stop(d->loop);
        return;
    }
    d->stopping = true;
    log_say(LOG_STORY, "iked", "%s: ending all tunnels", signal == SIGINT ? "SIGINT" : "SIGTERM");
    events_alert(d, ALERT_SHUTDOWN_SIGNAL, NULL);
    ready_tell("STOPPING=1");
    reload_cancel(d);
    ike_shutdown(d->ike, SHUTDOWN_NS, on_down, d);
    iked_rearm(d);
}

static void on_leave_signal(void *ctx, int signal)
{
    struct iked *d = ctx;
    (void)signal;
    d->stopping = true;
    d->leaving = true;
    log_say(LOG_STORY, "iked", "SIGUSR2: leaving; the tunnels stay in the executor");
    ready_tell("STOPPING=1");
    loop_stop(d->loop);
}

static void on_reload_signal(void *ctx, int signal)
{
    (void)signal;
    reload_start(ctx, NULL, NULL);
}

static err_t watch_signals(struct iked *d)
{
    (void)signal(SIGPIPE, SIG_IGN);
    TRY(loop_on_signal(d->loop, SIGTERM, on_end_signal, d));
    TRY(loop_on_signal(d->loop, SIGINT, on_end_signal, d));
    TRY(loop_on_signal(d->loop, SIGUSR2, on_leave_signal, d));
    return loop_on_signal(d->loop, SIGHUP, on_reload_signal, d);
}

// ---- start ----

// What becomes of virtual addresses and name servers: section pavise, then strongswan.conf.
static err_t settle_given(struct iked_options *o, const struct config *c,
                          const struct strongswan *s)
{
    const char *device =
        c->install_virtual_ip_on ? c->install_virtual_ip_on : s->install_virtual_ip_on;
    bool usual = c->resolv_conf && strcmp(c->resolv_conf, RESOLV_CONF) == 0;
    const char *file = usual && s->resolv_conf ? s->resolv_conf : c->resolv_conf;
    o->install_virtual_ip = c->install_virtual_ip && s->install_virtual_ip;
    if (device) o->virtual_ip_device = strdup(device);
    if (file && *file) o->resolv_conf = strdup(file);
    bool copied = (o->virtual_ip_device || !device) && (o->resolv_conf || !file || !*file);
    return copied ? ERR_OK : ERR_NOMEM;
}

// What the command line leaves open, the configuration's section `pavise` says.
static err_t settle_options(struct iked_options *o, const struct config *c,
                            const struct strongswan *s)
{
    uint32_t mark = c->fwmark ? c->fwmark : s->fwmark;
    if (!o->executor_given) o->executor = c->executor;
    if (!o->port) o->port = c->port;
    if (!o->port_nat_t) o->port_nat_t = c->port_nat_t;
    if (!o->fwmark_given) o->fwmark = mark ? mark : IKED_FWMARK;
    o->fwmark_given |= mark != 0;
    return settle_given(o, c, s);
}

static err_t start_net(struct iked *d, struct why *why)
{
    const struct iked_options *o = &d->options;
    struct net_options n = net_options_default();
    n.port = o->port;
    n.natt_port = o->port_nat_t;
    n.kernel_encap = d->executor.kernel;
    // The mark keeps our packets out of pavise-xfrmd's TUN device, or off the routes that we set.
    bool marked = !d->executor.kernel || d->strongswan.install_routes || o->fwmark_given;
    n.fwmark = marked ? o->fwmark : 0;
    return net_open(d->loop, &n, on_datagram, d, &d->net, why);
}

static err_t start_keylog(struct iked *d, struct why *why)
{
    const char *dir = d->options.keylog;
    if (!dir) return ERR_OK;
    log_say(LOG_WARN, "iked",
            "--keylog: ALL SESSION KEYS GO TO %s; who reads them, reads all traffic", dir);
    return keylog_open(dir, &d->keylog, why);
}

static err_t start_diplomat(struct iked *d, struct why *why)
{
    struct env env = iked_env(d);
    struct ike_options o = settings_for_ike(&d->strongswan);
    o.natt_port = d->options.port_nat_t;
    o.executor_is_kernel = d->executor.kernel;
    o.executor_has_iptfs = d->executor.iptfs;
    if (o.connmark && d->executor.kernel)
        log_say(LOG_WARN, "iked",
                "plugin connmark: with the kernel as executor no flow is remembered; rules of your "
                "own have to give replies their child's mark");
    d->given = given_new(d);
    d->ike = ike_new(&env, &o);
    if (!d->ike) return why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    leases_restore(d);
    settings_triplets(d);
    if (d->strongswan.whitelist) commands_whitelist_switch(d, true);
    return ERR_OK;
}

static err_t start_log(const struct iked_options *o, struct why *why)
{
    if (o->log_n == 0) return log_to("stderr", "pavise-iked", o->log_level, why);
    for (unsigned i = 0; i < o->log_n; i++)
        TRY(log_to(o->log[i], "pavise-iked", o->log_level, why));
    return ERR_OK;
}

static err_t start_base(struct iked *d, struct why *why)
{
    d->loop = loop_new();
    d->story = story_new();
    if (!d->loop || !d->story) return why_not(why, ERR_NOMEM, "no event loop");
    loop_on_wake(d->loop, on_wake, d);
    d->ticker = loop_timer_new(d->loop, on_tick, d);
    if (!d->ticker || watch_signals(d) != ERR_OK) {
        return why_not(why, ERR_NOMEM, "no timers or signals");
    }
    // Until the real one is in force there is an empty one, so that every command has an answer.
    err_t e = loaded_new(d);
    return e == ERR_OK ? e : why_not(why, e, "no empty configuration: %s", err_text(e));
}

// Before there is another thread, and before anything is heard from outside. Sockets and key log
// may be in folders of somebody else's, like the configuration: CAP_DAC_OVERRIDE.
static err_t start_sandbox(const struct iked *d, const char *socket, struct why *why)
{
    const struct iked_options *o = &d->options;
    char *path = strdup(socket), *crls = d->strongswan.cache_crls ? works_crl_folder(o) : NULL;
    if (!path) return why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    struct sandbox_conf conf = {
        .caps = SANDBOX_CAP(NET_ADMIN) | SANDBOX_CAP(NET_BIND_SERVICE) | SANDBOX_CAP(DAC_OVERRIDE),
        .writable = {sandbox_folder(path), o->keylog, "/dev/null", o->state_dir, o->resolv_conf,
                     crls},
    };
    // Logs that were moved away are made anew beside themselves.
    char logs[LOG_TARGETS_MAX + LOG_PLANS_MAX][PATH_MAX];
    for (unsigned i = 0; i < LOG_TARGETS_MAX + LOG_PLANS_MAX; i++) {
        if (log_folder(i, logs[i], sizeof logs[i]))
            conf.writable[SANDBOX_PATHS_MAX - 1 - i] = logs[i];
    }
    err_t e = sandbox_enter(&conf, why);
    free(path);
    free(crls);
    return e;
}

// Without the folder nothing is remembered; that is no reason not to be there.
static void start_state(const struct iked_options *o)
{
    struct why why = {0};
    if (state_folder(o->state_dir, &why) == ERR_OK) return;
    log_say(LOG_WARN, "iked", "%s; leases of virtual addresses do not outlive us (--state-dir)",
            why.text);
}

// Everything that the diplomat works with, and the diplomat.
static err_t start_parts(struct iked *d, const char *socket, struct why *why)
{
    const struct executor_choice choice = {d->options.executor, d->options.socket};
    d->resolver = resolver_new(on_name, d);
    if (!d->resolver) return why_not(why, ERR_NOMEM, "no threads");
    TRY(works_start(d, why));
    TRY(executor_open(&choice, d->loop, on_xfrm_event, d, &d->executor, why));
    xfrm_client_on_return(d->executor.client, on_executor_back, d);
    TRY(start_net(d, why));
    TRY(network_new(d, &d->network, why));
    if (d->executor.kernel && d->strongswan.install_routes) TRY(routes_new(d, &d->routes, why));
    if (d->dhcp) TRY(dhcp_start(d, why));
    if (d->farp) TRY(farp_start(d, why));
    TRY(start_keylog(d, why));
    radius_settings(d);
    d->acct = acct_new(d);
    if (!d->acct) return why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    dae_settings(d);
    TRY(start_diplomat(d, why));
    return vici_server_new(d->loop, socket, commands, events_names, d, &d->vici, why);
}

// The file; or with --vici-only what is good in it, and nothing if there is none.
static err_t read_config(struct iked *d, struct config **out, struct why *why)
{
    if (!d->options.vici_only || access(d->options.config, F_OK) == 0) {
        err_t e = reload_read(d, out, why);
        if (e == ERR_OK || !d->options.vici_only) return e;
        log_say(LOG_WARN, "conf",
                "%s; going on without it, but for scripts that it names "
                "(--vici-only)",
                why->text);
        if (config_load_outline(d->options.config, out) == ERR_OK) return ERR_OK;
    }
    struct conf_issues issues = {0};
    err_t e = config_load_text("nothing", span(NULL, 0), out, &issues);
    conf_issues_done(&issues);
    return e;
}

// Connections come over VICI, or from the file.
static void start_config(struct iked *d, struct config *c)
{
    if (!d->options.vici_only) {
        reload_apply(d, c, NULL, NULL);
        return;
    }
    loaded_scripts_in(d, c);
    d->configured = true;
    ike_configure(d->ike, d->config);
    ready_tell("READY=1");
}

// The command line, section pavise, and strongswan.conf, in this order.
static const char *socket_of(const struct iked *d, const struct config *c)
{
    if (d->options.vici_socket) return d->options.vici_socket;
    bool given = strcmp(c->vici_socket, VICI_SOCKET) != 0;
    return d->strongswan.vici_socket && !given ? d->strongswan.vici_socket : c->vici_socket;
}

// The sandbox forbids them. A host may forbid them, too, and loads both plugins because Debian's
// packages say so: tunnels come up all the same.
static void open_packet_sockets(struct iked *d, const struct config *c)
{
    if (d->strongswan.dhcp.load || config_asks_dhcp(c)) d->dhcp = dhcp_open(&d->strongswan.dhcp);
    if (d->strongswan.farp) d->farp = farp_open();
}

static err_t start(struct iked *d, struct why *why)
{
    struct config *c = NULL;
    TRY(start_base(d, why));
    TRY(settings_read(d, why));
    TRY(read_config(d, &c, why));
    err_t e = settle_options(&d->options, c, &d->strongswan);
    const char *socket = socket_of(d, c);
    start_state(&d->options);
    if (e == ERR_OK && scripts_needed(c)) e = scripts_start(d->options.config, c, &d->scripts, why);
    if (e == ERR_OK) open_packet_sockets(d, c);
    if (e == ERR_OK) e = start_sandbox(d, socket, why);
    if (e == ERR_OK && d->scripts) e = scripts_listen(d->scripts, d->loop);
    if (e == ERR_OK && d->scripts) e = hold_start(d);
    if (e == ERR_OK) e = start_parts(d, socket, why);
    if (e != ERR_OK) {
        config_free(c);
        return e;
    }
    log_say(LOG_STORY, "iked", "ready: %s, executor %s, UDP ports %u and %u, control on %s",
            d->options.config, d->executor.kernel ? "kernel" : "pavise-xfrmd", d->options.port,
            d->options.port_nat_t, socket);
    start_config(d, c);
    return ERR_OK;
}

// ---- end ----

static void stop(struct iked *d)
{
    reload_cancel(d);
    names_done(d);
    leases_done(d);
    ike_free(d->ike);
    d->ike = NULL;
    dae_stop(d);
    acct_free(d->acct);
    d->acct = NULL;
    radius_stop(d);
    given_free(d->given, !d->leaving);
    routes_free(d->routes, !d->leaving);
    commands_done(d);
    vici_server_free(d->vici);
    d->vici = NULL;
    network_free(d->network);
    hold_end(d);
    farp_free(d->farp);
    dhcp_free(d->dhcp, !d->leaving);
    net_free(d->net);
    executor_close(&d->executor);
    scripts_free(d->scripts);
    resolver_free(d->resolver);
    works_stop(d);
    keylog_close(d->keylog);
    loaded_free(d);
    loop_timer_free(d->ticker);
    loop_free(d->loop);
    story_free(d->story);
    free(d->options.virtual_ip_device);
    free(d->options.resolv_conf);
    strongswan_done(&d->strongswan);
}

static int run(struct iked *d)
{
    struct why why = {0};
    d->thread = pthread_self();
    d->started_s = clock_wall();
    d->started_ns = clock_mono();
    log_add_sink(events_log, d);
    err_t e = start_log(&d->options, &why);
    if (e == ERR_OK) e = start(d, &why);
    if (e == ERR_OK) {
        loop_run(d->loop);
    } else {
        log_say(LOG_ERROR, "iked", "%s", why.text);
        if (d->options.log_n) // whoever started it must see why it ends
            (void)fprintf(stderr, "pavise-iked: %s\n", why.text);
    }
    stop(d);
    log_remove_sink(events_log, d);
    return e == ERR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct iked d = {0};
    struct why why = {0};
    if (iked_options_read(argc, argv, &d.options, &why) != ERR_OK) {
        (void)fprintf(stderr, "pavise-iked: %s\n", why.text);
        return EXIT_USAGE;
    }
    if (d.options.help) {
        (void)fputs(iked_options_help, stdout);
        return EXIT_SUCCESS;
    }
    if (d.options.version) {
        (void)printf("pavise-iked %s\n", PAVISE_VERSION);
        return EXIT_SUCCESS;
    }
    return run(&d);
}
