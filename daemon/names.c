#include "daemon/names.h"

#include "base/clock.h"
#include "daemon/resolver.h"

// What the names mean now. Two are equal when no address has changed.
struct digest {
    uint64_t sum;
    bool any, missing; // there are names; one of them has no address
};

static void add(struct digest *s, const void *bytes, size_t n)
{
    // FNV-1a: the answers are compared with earlier ones, nobody gains by a collision.
    for (size_t i = 0; i < n; i++) s->sum = (s->sum ^ ((const uint8_t *)bytes)[i]) * 1099511628211U;
}

static void add_hosts(struct iked *d, struct digest *s, const struct conf_host *h, unsigned n)
{
    // Every family that the diplomat may ask for.
    static const uint16_t families[] = {AF_UNSPEC, AF_INET, AF_INET6};
    for (unsigned i = 0; i < n; i++) {
        bool found = false;
        for (unsigned f = 0; h[i].name && f < 3; f++) {
            ip_t ip = {0};
            found = resolver_find(d->resolver, h[i].name, families[f], &ip) == ERR_OK || found;
            add(s, &ip, sizeof ip);
        }
        s->any = s->any || h[i].name;
        s->missing = s->missing || (h[i].name && !found);
    }
}

static struct digest look(struct iked *d, const struct config *c)
{
    struct digest s = {.sum = 14695981039346656037U};
    for (unsigned i = 0; i < c->conn_n; i++) {
        add_hosts(d, &s, c->conn[i].local_addr, c->conn[i].local_addr_n);
        add_hosts(d, &s, c->conn[i].remote_addr, c->conn[i].remote_addr_n);
    }
    return s;
}

void names_ask(struct iked *d, const struct config *c)
{
    (void)look(d, c);
}

static void on_timer(void *ctx)
{
    struct iked *d = ctx;
    names_ask(d, d->config);
    names_on_answer(d); // also when nobody needed to be asked
}

void names_watch(struct iked *d)
{
    struct digest now = look(d, d->config);
    d->names_sum = now.sum;
    if (!d->names_timer) d->names_timer = loop_timer_new(d->loop, on_timer, d);
    if (!d->names_timer) return; // out of memory: the addresses stay what they are
    loop_timer_stop(d->names_timer);
    if (!now.any) return;
    loop_timer_at(d->names_timer, clock_mono() + (now.missing ? NAMES_MISSING_NS : NAMES_AGAIN_NS));
}

void names_on_answer(struct iked *d)
{
    if (!d->configured || d->stopping || resolver_busy(d->resolver)) return;
    if (look(d, d->config).sum != d->names_sum) {
        log_say(LOG_INFO, "conf", "addresses of DNS names have changed");
        ike_configure(d->ike, d->config);
        iked_rearm(d);
    }
    names_watch(d);
}

void names_done(struct iked *d)
{
    loop_timer_free(d->names_timer);
    d->names_timer = NULL;
}
