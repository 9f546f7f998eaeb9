#include "daemon/iked_env.h"

#include <net/if.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "daemon/dhcp.h"
#include "daemon/events.h"
#include "daemon/given.h"
#include "daemon/hold.h"
#include "daemon/keylog.h"
#include "daemon/network.h"
#include "daemon/radius.h"
#include "daemon/radius_acct.h"
#include "daemon/resolver.h"
#include "daemon/routes.h"
#include "daemon/works.h"
#include "ike/net/net.h"

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

static void env_send(void *ctx, const struct datagram *datagram)
{
    struct iked *d = ctx;
    if (!hold_message(d, datagram)) net_send(d->net, datagram);
}

static ip_t env_source_for(void *ctx, const ip_t *peer)
{
    struct iked *d = ctx;
    ip_t source = net_source_for(d->net, peer);
    return network_leaves_out(d->network, &source) ? (ip_t){.family = AF_UNSPEC} : source;
}

static unsigned env_device(void *ctx, const char *name)
{
    (void)ctx;
    return if_nametoindex(name);
}

static unsigned env_addresses(void *ctx, ip_t *out, unsigned max)
{
    struct iked *d = ctx;
    return network_addresses(d->network, out, max);
}

static err_t env_resolve(void *ctx, const char *name, uint16_t family, ip_t *out)
{
    struct iked *d = ctx;
    return resolver_find(d->resolver, name, family, out);
}

static void env_tell(void *ctx, enum log_level level, const struct ike_sa *sa, const char *sentence)
{
    events_tell(ctx, level, sa, sentence);
}

static void env_event(void *ctx, enum ike_event_kind kind, const struct ike_sa *sa,
                      const struct child_sa *child)
{
    struct iked *d = ctx;
    routes_event(d->routes, kind, sa, child); // before scripts are told
    acct_event(d, kind, sa);
    events_sa(d, kind, sa, child);
}

static void env_alert(void *ctx, enum alert kind, const struct ike_sa *sa)
{
    events_alert(ctx, kind, sa);
}

static void env_keylog(void *ctx, const char *file, const char *line)
{
    struct iked *d = ctx;
    keylog_line(d->keylog, file, line);
}

static err_t env_given_put(void *ctx, const struct ike_given *g, struct why *why)
{
    struct iked *d = ctx;
    if (!d->given) return why_not(why, ERR_UNSUPPORTED, "virtual addresses cannot be installed");
    return given_put(d->given, g, why);
}

static void env_given_take(void *ctx, const struct ike_given *g)
{
    struct iked *d = ctx;
    if (d->given) given_take(d->given, g);
}

struct env iked_env(struct iked *d)
{
    return (struct env){
        .ctx = d,
        .now = env_now,
        .wall = env_wall,
        .random = env_random,
        .send = env_send,
        .source_for = env_source_for,
        .device = env_device,
        .addresses = env_addresses,
        .resolve = env_resolve,
        .work = works_add,
        .radius = radius_work,
        .xfrm = xfrm_client_api(d->executor.client),
        .tell = env_tell,
        .event = env_event,
        .alert = env_alert,
        .keylog = d->keylog ? env_keylog : NULL,
        .given_put = env_given_put,
        .given_take = env_given_take,
        .dhcp_ask = dhcp_ask,
        .dhcp_release = dhcp_release,
    };
}
