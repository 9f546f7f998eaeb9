#include "daemon/settings.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/words.h"
#include "daemon/reload.h"

#define FRAGMENT_MIN 576 // every IPv4 path takes packets of this size
#define FRAGMENT_MAX 65535

// NULL: none.
static const char *file_of(const struct iked_options *o)
{
    if (o->strongswan_conf) return *o->strongswan_conf ? o->strongswan_conf : NULL;
    const char *named = getenv("STRONGSWAN_CONF");
    if (named && *named) return named;
    return access(STRONGSWAN_CONF, R_OK) == 0 ? STRONGSWAN_CONF : NULL;
}

static void tell(const char *path, const struct strongswan *s)
{
    const char *unused = text_str(&s->unused);
    if (*unused) {
        log_say(LOG_STORY, "conf", "%s: of no effect here (pavise-strongswan.conf(5)): %s", path,
                unused);
    }
    if (!s->ocsp) log_say(LOG_STORY, "conf", SAY_NO_OCSP);
    if (!s->crl) log_say(LOG_STORY, "conf", SAY_NO_CRL);
}

err_t settings_read(struct iked *d, struct why *why)
{
    struct conf_issues issues = {0};
    const char *path = file_of(&d->options);
    d->strongswan = strongswan_default();
    if (!path) return ERR_OK;
    err_t e = strongswan_load(path, &d->strongswan, &issues);
    for (unsigned i = 0; i < issues.n; i++) reload_log_issue(&issues.issue[i]);
    conf_issues_done(&issues);
    if (e != ERR_OK) {
        return why_not(why, e, "%s cannot be used: %s (--strongswan-conf)", path, err_text(e));
    }
    tell(path, &d->strongswan);
    struct iked_options *o = &d->options;
    if (!o->port) o->port = (uint16_t)d->strongswan.port;
    if (!o->port_nat_t) o->port_nat_t = (uint16_t)d->strongswan.port_nat_t;
    return ERR_OK;
}

static uint64_t to_ns(double seconds)
{
    return (uint64_t)(seconds * (double)NSEC_PER_SEC);
}

struct ike_options settings_for_ike(const struct strongswan *s)
{
    struct ike_options o = ike_options_default();
    o.retransmit_ns = to_ns(s->retransmit_timeout);
    o.retransmit_base = s->retransmit_base;
    o.retransmit_tries = s->retransmit_tries;
    o.keepalive_ns = to_ns(s->keep_alive);
    o.half_open_ns = s->half_open_timeout * NSEC_PER_SEC;
    o.linger_ns = s->delete_rekeyed_delay * NSEC_PER_SEC;
    o.cookie_threshold = s->cookie_threshold ? s->cookie_threshold : UINT32_MAX;
    o.cookie_threshold_ip = s->cookie_threshold_ip ? s->cookie_threshold_ip : UINT32_MAX;
    if (s->half_open_max) o.half_open_max = s->half_open_max;
    if (s->block_threshold) o.half_open_max_ip = s->block_threshold;
    if (s->fragment_size >= FRAGMENT_MIN && s->fragment_size <= FRAGMENT_MAX) {
        o.fragment_size = (uint16_t)s->fragment_size;
    }
    o.initiator_only = s->initiator_only;
    o.rsa_pss = s->rsa_pss;
    o.hash_and_url = s->hash_and_url;
    o.follow_redirects = s->follow_redirects;
    o.break_before_make = !s->make_before_break;
    o.libipsec_words = s->libipsec;
    o.executor_has_raw_esp = !s->udp_esp;
    return o;
}
