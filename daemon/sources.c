#include "daemon/sources.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

struct open_source {
    uint16_t number;
    unsigned count; // SAs; 0: free
    struct port *port[WORKERS_MAX];
};

struct sources {
    struct xfrmd_options options;
    struct engine *engine;
    struct sources_hooks hooks;
    struct open_source all[ENGINE_FAMILIES][ENGINE_SOURCES_MAX];
};

static enum engine_family place(uint16_t family)
{
    return family == AF_INET6 ? ENGINE_V6 : ENGINE_V4;
}

static uint16_t family_at(unsigned place)
{
    return place == ENGINE_V6 ? AF_INET6 : AF_INET;
}

struct sources *sources_new(const struct xfrmd_options *options, struct engine *engine,
                            const struct sources_hooks *hooks)
{
    struct sources *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->options = *options;
    s->engine = engine;
    s->hooks = *hooks;
    return s;
}

static void close_source(struct sources *s, enum engine_family f, struct open_source *o)
{
    engine_source_remove(s->engine, f, o->number);
    xfrmd_ports_close_udp(&s->options, o->port);
    *o = (struct open_source){0};
}

void sources_free(struct sources *s)
{
    if (!s) return;
    for (unsigned f = 0; f < ENGINE_FAMILIES; f++) {
        for (unsigned i = 0; i < ENGINE_SOURCES_MAX; i++)
            if (s->all[f][i].count) close_source(s, (enum engine_family)f, &s->all[f][i]);
    }
    free(s);
}

static struct open_source *find(struct sources *s, enum engine_family f, uint16_t number)
{
    for (unsigned i = 0; i < ENGINE_SOURCES_MAX; i++) {
        struct open_source *o = &s->all[f][i];
        if (o->count && o->number == number) return o;
    }
    return NULL;
}

bool sources_is_ours(const ip_t *address)
{
    struct sockaddr_storage at;
    const endpoint_t any_port = {.ip = *address};
    socklen_t len = endpoint_to_sockaddr(&any_port, &at);
    int fd = socket(address->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool ours = bind(fd, (const struct sockaddr *)&at, len) == 0;
    (void)close(fd);
    return ours;
}

// An SA whose source is somebody else's address is one of incoming packets: its port is the peer's.
static bool sends_from_here(const struct xfrm_sa *x)
{
    return x->dir == XFRM_SA_OUT || (x->dir != XFRM_SA_IN && sources_is_ours(&x->saddr));
}

static err_t open_source(struct sources *s, enum engine_family f, uint16_t number, struct why *why)
{
    unsigned i = 0;
    while (i < ENGINE_SOURCES_MAX && s->all[f][i].count) i++;
    if (i == ENGINE_SOURCES_MAX)
        return why_not(why, ERR_LIMIT, "UDP port %u: SAs send from %u other ports already", number,
                       ENGINE_SOURCES_MAX);
    struct open_source *o = &s->all[f][i];
    TRY(xfrmd_ports_open_udp(&s->options, family_at(f), number, o->port, why));
    err_t e = engine_source_add(s->engine, f, number, o->port);
    if (e != ERR_OK) {
        xfrmd_ports_close_udp(&s->options, o->port);
        return why_not(why, e, "UDP port %u: %s", number, err_text(e));
    }
    o->number = number;
    o->count = 1;
    log_say(LOG_INFO, "ports", "ESP in UDP from port %u (IPv%d): an SA asks for it", number,
            f == ENGINE_V6 ? 6 : 4);
    s->hooks.changed(s->hooks.ctx, family_at(f), number, true);
    return ERR_OK;
}

static err_t hold(void *ctx, const struct xfrm_sa *x, uint16_t number, struct why *why)
{
    struct sources *s = ctx;
    const enum engine_family f = place(x->family);
    if (s->options.no_udp || number == s->options.port || !sends_from_here(x)) return ERR_NOTFOUND;
    struct open_source *o = find(s, f, number);
    if (!o) return open_source(s, f, number, why);
    o->count++;
    return ERR_OK;
}

static void release(void *ctx, uint16_t family, uint16_t number)
{
    struct sources *s = ctx;
    const enum engine_family f = place(family);
    struct open_source *o = find(s, f, number);
    if (!o || --o->count > 0) return;
    s->hooks.changed(s->hooks.ctx, family, number, false);
    close_source(s, f, o);
}

const struct control_sources sources_control = {hold, release, NULL};

const struct port *sources_port(const struct sources *s, uint16_t family, uint16_t number)
{
    const enum engine_family f = place(family);
    for (unsigned i = 0; i < ENGINE_SOURCES_MAX; i++) {
        const struct open_source *o = &s->all[f][i];
        if (o->count && o->number == number) return o->port[0];
    }
    return NULL;
}

void sources_each(const struct sources *s, xfrmd_ports_fn *fn, void *ctx)
{
    for (unsigned f = 0; f < ENGINE_FAMILIES; f++) {
        for (unsigned i = 0; i < ENGINE_SOURCES_MAX; i++) {
            const struct open_source *o = &s->all[f][i];
            struct port_counts sum = {0};
            if (!o->count) continue;
            for (unsigned w = 0; w < s->options.workers; w++)
                xfrmd_ports_add_counts(o->port[w], &sum);
            fn(ctx, o->port[0]->ops->name, family_at(f), &sum);
        }
    }
}
