#include "daemon/works.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conf/creds.h"
#include "cred/crl.h"
#include "cred/dnssec.h"
#include "cred/fetch.h"
#include "daemon/crew.h"
#include "daemon/crl_keep.h"

struct works {
    struct crew *crew;
    struct crl_cache *cache;
    struct fetcher fetcher;
    struct dnssec *dnssec; // NULL: nobody wants keys from DNS
    struct dnssec_source source;
    char *crl_folder; // where lists that were fetched are kept
};

// In one of the pool's threads.
static void on_done(void *ctx)
{
    struct iked *d = ctx;
    loop_wake(d->loop);
}

static err_t get(void *ctx, const struct fetch *ask, struct fetched *out, struct why *why)
{
    struct works *w = ctx;
    err_t err = crew_pause(w->crew, ask->stranger ? CREW_PAUSED_STRANGERS : CREW_PAUSED_MAX);
    if (err != ERR_OK) return why_not(why, err, "too many servers are being waited for");
    err = fetch_http(NULL, ask, out, why);
    crew_go_on(w->crew);
    return err;
}

// Whose name is asked for is a stranger's choice, too.
static err_t ask(void *ctx, const char *name, uint16_t type, struct dnssec_answer *out,
                 struct why *why)
{
    struct works *w = ctx;
    err_t err = crew_pause(w->crew, CREW_PAUSED_STRANGERS);
    if (err != ERR_OK) return why_not(why, err, "too many servers are being waited for");
    err = dnssec_ask(w->dnssec, name, type, out, why);
    crew_go_on(w->crew);
    return err;
}

static err_t start_dnssec(struct works *w, const struct strongswan *s, struct why *why)
{
    if (!s->ipseckey && !s->dnscert) return ERR_OK;
    const char *servers = s->dns_resolv_conf ? s->dns_resolv_conf : DNSSEC_RESOLV_CONF;
    err_t err = dnssec_new(servers, s->dns_anchors, &w->dnssec);
    if (err != ERR_OK) return why_not(why, err, "%s", err_text(err));
    w->source =
        (struct dnssec_source){.ctx = w, .ipseckey = s->ipseckey, .cert = s->dnscert, .ask = ask};
    log_say(LOG_INFO, "cert", "peers are also proved by what DNSSEC proves of their names: %s%s%s",
            s->ipseckey ? "IPSECKEY" : "", s->ipseckey && s->dnscert ? ", " : "",
            s->dnscert ? "CERT" : "");
    return ERR_OK;
}

char *works_crl_folder(const struct iked_options *o)
{
    char *path = NULL;
    const char *slash = strrchr(o->config, '/');
    int n = slash ? (int)(slash - o->config) : 1;
    return asprintf(&path, "%.*s/x509crl", n, slash ? o->config : ".") < 0 ? NULL : path;
}

err_t works_start(struct iked *d, struct why *why)
{
    struct works *w = calloc(1, sizeof *w);
    if (!w) return why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    d->works = w;
    w->fetcher = (struct fetcher){.ctx = w, .get = get};
    w->cache = crl_cache_new();
    w->crew = crew_new(0, on_done, d);
    w->crl_folder = works_crl_folder(&d->options);
    if (!w->cache || !w->crew || !w->crl_folder) return why_not(why, ERR_NOMEM, "no threads");
    err_t err = fetch_init();
    if (err != ERR_OK) return why_not(why, err, "libcurl does not start");
    return start_dnssec(w, &d->strongswan, why);
}

void works_stop(struct iked *d)
{
    struct works *w = d->works;
    if (!w) return;
    d->works = NULL;
    // Who is still waiting for a server uses them; the process ends before he does.
    if (!crew_free(w->crew)) return;
    dnssec_free(w->dnssec);
    crl_cache_free(w->cache);
    free(w->crl_folder);
    free(w);
}

void works_serve(struct iked *d, struct config *c)
{
    struct works *w = d->works;
    if (!w || !c->creds || !c->creds->trust) return;
    trust_set_fetching(c->creds->trust, &w->fetcher, w->cache);
    trust_set_checks(c->creds->trust, d->strongswan.ocsp, d->strongswan.crl);
    trust_set_critical(c->creds->trust, d->strongswan.enforce_critical);
    trust_set_blocks(c->creds->trust, d->strongswan.addrblock_strict);
    trust_set_keeping(c->creds->trust, d->strongswan.cert_cache);
    if (w->dnssec) trust_set_dnssec(c->creds->trust, &w->source);
    if (d->strongswan.cache_crls) trust_set_keeper(c->creds->trust, crl_keep, w->crl_folder);
}

void works_deliver(struct iked *d)
{
    struct ike_work *w;
    while (d->works && d->ike && (w = crew_take(d->works->crew))) ike_work_done(d->ike, w);
}

err_t works_add(void *ctx, struct ike_work *w)
{
    struct iked *d = ctx;
    return crew_add(d->works->crew, w);
}

void works_each_crl(struct iked *d, size_t max, crl_fn *fn, void *ctx)
{
    if (d->works) crl_cache_each(d->works->cache, max, fn, ctx);
}

void works_each_answer(struct iked *d, size_t max, crl_fn *fn, void *ctx)
{
    if (d->works) crl_cache_each_answer(d->works->cache, max, fn, ctx);
}

void works_flush(struct iked *d)
{
    if (d->works) crl_cache_flush(d->works->cache);
}
