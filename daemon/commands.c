#include "daemon/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/clock.h"
#include "daemon/commands_load.h"
#include "daemon/reload.h"
#include "daemon/works.h"

// ---- arguments and answers ----

bool commands_str(span_t args, const char *key, char out[COMMAND_NAME_MAX])
{
    out[0] = 0;
    err_t e = vici_get_str(args, key, out, COMMAND_NAME_MAX);
    return e == ERR_OK || e == ERR_NOTFOUND;
}

bool commands_number(span_t args, const char *key, int64_t *out)
{
    char text[24], *end;
    *out = 0;
    err_t e = vici_get_str(args, key, text, sizeof text);
    if (e == ERR_NOTFOUND) return true;
    if (e != ERR_OK || !text[0]) return false;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (*end || errno) return false;
    *out = v;
    return true;
}

bool commands_yes(span_t args, const char *key)
{
    char text[8];
    if (vici_get_str(args, key, text, sizeof text) != ERR_OK) return false;
    return strcmp(text, "yes") == 0 || strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
}

void commands_result(struct vici_call *call, const char *errmsg)
{
    struct vici_msg m = {0};
    vici_kv(&m, "success", "%s", *errmsg ? "no" : "yes");
    if (*errmsg) vici_kv(&m, "errmsg", "%s", errmsg);
    vici_answer(call, &m);
}

// ---- version, stats, reload ----

static void run_version(void *ctx, struct vici_call *call, span_t args)
{
    (void)ctx, (void)args;
    struct vici_msg m = {0};
    struct utsname u;
    (void)uname(&u);
    vici_kv(&m, "daemon", "pavise-iked");
    vici_kv(&m, "version", "%s", PAVISE_VERSION);
    vici_kv(&m, "sysname", "%s", u.sysname);
    vici_kv(&m, "release", "%s", u.release);
    vici_kv(&m, "machine", "%s", u.machine);
    vici_answer(call, &m);
}

static void put_uptime(struct vici_msg *m, const struct iked *d)
{
    static const struct {
        uint64_t s;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    uint64_t s = (clock_mono() - d->started_ns) / NSEC_PER_SEC;
    // As strongSwan: the largest unit of which there are at least two.
    unsigned i = 0;
    while (i < 3 && s < 2 * units[i].s) i++;
    uint64_t n = s / units[i].s;
    time_t since = (time_t)d->started_s;
    struct tm tm;
    char text[64] = "";
    if (localtime_r(&since, &tm)) (void)strftime(text, sizeof text, "%b %d %H:%M:%S %Y", &tm);
    vici_section(m, "uptime");
    vici_kv(m, "running", "%" PRIu64 " %s%s", n, units[i].name, n == 1 ? "" : "s");
    vici_kv(m, "since", "%s", text);
    vici_section_end(m);
}

static void put_priorities(struct vici_msg *m, unsigned medium)
{
    vici_kv(m, "critical", "0");
    vici_kv(m, "high", "0");
    vici_kv(m, "medium", "%u", medium);
    vici_kv(m, "low", "0");
}

// There is one thread and no queue: it is at work now, on this command.
static void put_workers(struct vici_msg *m)
{
    vici_section(m, "workers");
    vici_kv(m, "total", "1");
    vici_kv(m, "idle", "0");
    vici_section(m, "active");
    put_priorities(m, 1);
    vici_section_end(m);
    vici_section_end(m);
    vici_section(m, "queues");
    put_priorities(m, 0);
    vici_section_end(m);
    vici_kv(m, "scheduled", "0");
}

static void put_heap(struct vici_msg *m)
{
    struct mallinfo2 h = mallinfo2();
    vici_section(m, "mallinfo");
    vici_kv(m, "sbrk", "%zu", h.arena);
    vici_kv(m, "mmap", "%zu", h.hblkhd);
    vici_kv(m, "used", "%zu", h.uordblks);
    vici_kv(m, "free", "%zu", h.fordblks);
    vici_section_end(m);
}

// Beyond strongSwan: what the diplomat has said and heard.
static void put_messages(struct vici_msg *m, const struct ike_stats *s)
{
    vici_section(m, "messages");
    vici_kv(m, "sent", "%" PRIu64, s->sent);
    vici_kv(m, "received", "%" PRIu64, s->received);
    vici_kv(m, "retransmitted", "%" PRIu64, s->retransmitted);
    vici_kv(m, "dropped", "%" PRIu64, s->dropped);
    vici_kv(m, "cookies", "%" PRIu64, s->cookies_sent);
    vici_section_end(m);
}

// Beyond strongSwan: a doubt about this host's clock.
static void put_clock(struct vici_msg *m, const struct ike_clock *c)
{
    char id[ID_TEXT_MAX];
    if (!c->behind_s) return;
    vici_section(m, "clock");
    vici_kv(m, "peer", "%s", id_show(&c->peer, id));
    vici_kv(m, "behind", "%" PRIu64, c->behind_s);
    uint64_t ago = (clock_mono() - c->at) / NSEC_PER_SEC;
    vici_kv(m, "ago", "%" PRIu64, ago);
    vici_section_end(m);
}

static void run_stats(void *ctx, struct vici_call *call, span_t args)
{
    (void)args;
    struct iked *d = ctx;
    struct vici_msg m = {0};
    struct ike_stats s;
    ike_stats(d->ike, &s);
    put_uptime(&m, d);
    put_workers(&m);
    vici_section(&m, "ikesas");
    vici_kv(&m, "total", "%" PRIu64, s.total);
    vici_kv(&m, "half-open", "%" PRIu64, s.half_open);
    vici_section_end(&m);
    vici_list(&m, "plugins");
    vici_item(&m, "vici");
    vici_item(&m, "%s", d->executor.kernel ? "kernel-netlink" : "pavise-xfrmd");
    vici_list_end(&m);
    put_heap(&m);
    put_messages(&m, &s);
    put_clock(&m, &s.clock);
    vici_answer(call, &m);
}

static void on_reloaded(void *ctx, err_t err, const char *sentence)
{
    commands_result(ctx, err == ERR_OK ? "" : sentence);
}

static void run_reload(void *ctx, struct vici_call *call, span_t args)
{
    (void)args;
    reload_start(ctx, on_reloaded, call);
}

// ---- counters ----

static void put_counters(void *ctx, const char *conn, const uint64_t *values)
{
    struct vici_msg *m = ctx;
    vici_section(m, conn);
    for (unsigned i = 0; i < COUNTERS; i++) vici_kv(m, counter_names[i], "%" PRIu64, values[i]);
    vici_section_end(m);
}

static void run_get_counters(void *ctx, struct vici_call *call, span_t args)
{
    const struct counters *c = ike_counters(((struct iked *)ctx)->ike);
    char name[COMMAND_NAME_MAX];
    struct vici_msg m = {0};
    bool ok = commands_str(args, "name", name), all = commands_yes(args, "all");
    const uint64_t *values = ok ? counters_of(c, name) : NULL;
    if (!values && !all) {
        commands_result(call, "no counters found for this connection");
        return;
    }
    vici_section(&m, "counters");
    if (all) counters_each(c, put_counters, &m);
    if (!all) put_counters(&m, name, values);
    vici_section_end(&m);
    vici_kv(&m, "success", "yes");
    vici_answer(call, &m);
}

static void run_reset_counters(void *ctx, struct vici_call *call, span_t args)
{
    struct counters *c = ike_counters(((struct iked *)ctx)->ike);
    char name[COMMAND_NAME_MAX];
    bool ok = commands_str(args, "name", name), all = commands_yes(args, "all");
    if (!all && (!ok || !counters_of(c, name))) {
        commands_result(call, "no counters found for this connection");
        return;
    }
    if (all) counters_reset_each(c);
    if (!all) counters_reset(c, name);
    commands_result(call, "");
}

// ---- what is not done ----

static void run_flush(void *ctx, struct vici_call *call, span_t args)
{
    (void)args;
    works_flush(ctx);
    commands_result(call, "");
}

const struct vici_command commands[] = {
    {"version", run_version},
    {"stats", run_stats},
    {"reload-settings", run_reload},
    {"initiate", commands_initiate},
    {"terminate", commands_terminate},
    {"rekey", commands_rekey},
    {"redirect", commands_redirect},
    {"whitelist", commands_whitelist},
    {"install", commands_install},
    {"uninstall", commands_uninstall},
    {"list-sas", commands_list_sas},
    {"list-policies", commands_list_policies},
    {"list-conns", commands_list_conns},
    {"get-conns", commands_get_conns},
    {"list-certs", commands_list_certs},
    {"list-authorities", commands_list_authorities},
    {"list-log", commands_list_log},
    {"get-authorities", commands_get_authorities},
    {"load-conn", commands_load_conn},
    {"unload-conn", commands_unload_conn},
    {"load-cert", commands_load_cert},
    {"load-key", commands_load_key},
    {"unload-key", commands_unload_key},
    {"get-keys", commands_get_keys},
    {"load-token", commands_no_token},
    {"load-shared", commands_load_shared},
    {"unload-shared", commands_unload_shared},
    {"get-shared", commands_get_shared},
    {"flush-certs", run_flush},
    {"clear-creds", commands_clear_creds},
    {"load-authority", commands_load_authority},
    {"unload-authority", commands_unload_authority},
    {"load-pool", commands_load_pool},
    {"unload-pool", commands_unload_pool},
    {"get-pools", commands_get_pools},
    {"get-algorithms", commands_get_algorithms},
    {"get-counters", run_get_counters},
    {"reset-counters", run_reset_counters},
    {NULL, NULL},
};
