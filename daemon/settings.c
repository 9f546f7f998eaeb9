#include "daemon/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"
#include "base/words.h"
#include "daemon/commands.h"
#include "daemon/log_to.h"
#include "daemon/network.h"
#include "daemon/radius.h"
#include "daemon/radius_dae.h"
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

static err_t load(const char *path, struct strongswan *out, struct why *why)
{
    struct conf_issues issues = {0};
    err_t e = strongswan_load(path, out, &issues);
    for (unsigned i = 0; i < issues.n; i++) reload_log_issue(&issues.issue[i]);
    conf_issues_done(&issues);
    if (e == ERR_OK) return e;
    return why_not(why, e, "%s cannot be used: %s (--strongswan-conf)", path, err_text(e));
}

// ---- logs ----

_Static_assert((int)LOG_GROUPS == (int)SWAN_GROUPS && (int)LOG_NET == (int)SWAN_NET,
               "the groups have the same numbers");

static struct log_plan plan_of(const struct strongswan *s, const struct strongswan_log *log)
{
    struct log_plan p = {.path = log->path,
                         .facility = log->facility,
                         .ident = s->syslog_ident ? s->syslog_ident : "pavise-iked",
                         .time_format = log->time_format,
                         .milliseconds = log->milliseconds,
                         .append = log->append,
                         .names = log->names};
    memcpy(p.level, log->level, sizeof p.level);
    return p;
}

// The strings stay for as long as the process: targets keep them, whatever is read later.
static struct log_plan plan_kept(const struct strongswan *s, const struct strongswan_log *log)
{
    struct log_plan p = plan_of(s, log);
    if (p.time_format) p.time_format = strdup(p.time_format);
    if (p.path) p.path = strdup(p.path);
    if (p.facility) p.facility = strdup(p.facility);
    p.ident = strdup(p.ident);
    return p;
}

// A log that cannot be had is no reason to be without tunnels.
static void open_logs(const struct strongswan *s)
{
    for (unsigned i = 0; i < s->log_n; i++) {
        struct why why = {0};
        const struct log_plan p = plan_kept(s, &s->log[i]);
        if ((p.path || p.facility) && p.ident && log_to_plan(&p, &why) == ERR_OK) continue;
        log_say(LOG_WARN, "conf", "%s (strongswan.conf)", why.text);
    }
    const struct log_plan journal = plan_of(s, &s->journal);
    if (s->journal_given) (void)log_change_levels(&journal); // there is none: it was not wanted
}

static void change_logs(const struct strongswan *s)
{
    for (unsigned i = 0; i < s->log_n; i++) {
        const struct log_plan p = plan_of(s, &s->log[i]);
        if (log_change_levels(&p)) continue;
        log_say(LOG_WARN, "conf", "strongswan.conf: a new log waits for the next start: %s",
                p.path ? p.path : p.facility);
    }
    const struct log_plan journal = plan_of(s, &s->journal);
    if (s->journal_given) (void)log_change_levels(&journal);
}

// ---- start and reload ----

err_t settings_read(struct iked *d, struct why *why)
{
    const char *path = file_of(&d->options);
    d->strongswan = strongswan_default();
    if (!path) return ERR_OK;
    TRY(load(path, &d->strongswan, why));
    if (d->options.log_n == 0) open_logs(&d->strongswan);
    tell(path, &d->strongswan);
    struct iked_options *o = &d->options;
    if (!o->port) o->port = (uint16_t)d->strongswan.port;
    if (!o->port_nat_t) o->port_nat_t = (uint16_t)d->strongswan.port_nat_t;
    return ERR_OK;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool dhcp_waits(const struct strongswan_dhcp *a, const struct strongswan_dhcp *b)
{
    return a->load != b->load || a->identity_lease != b->identity_lease ||
           a->use_server_port != b->use_server_port || a->force_server != b->force_server ||
           !ip_eq(&a->server, &b->server) || !same_text(a->interface, b->interface);
}

// What was opened at the start, or was decided with it.
static bool waits_for_start(const struct strongswan *a, const struct strongswan *b)
{
    if (dhcp_waits(&a->dhcp, &b->dhcp)) return true;
    return a->port != b->port || a->port_nat_t != b->port_nat_t || a->fwmark != b->fwmark ||
           a->udp_esp != b->udp_esp || a->install_virtual_ip != b->install_virtual_ip ||
           a->cache_crls != b->cache_crls || a->ipseckey != b->ipseckey ||
           a->dnscert != b->dnscert || !same_text(a->dns_resolv_conf, b->dns_resolv_conf) ||
           !same_text(a->dns_anchors, b->dns_anchors) ||
           !same_text(a->install_virtual_ip_on, b->install_virtual_ip_on) ||
           !same_text(a->vici_socket, b->vici_socket) || !same_text(a->resolv_conf, b->resolv_conf);
}

// Without a word of it in strongswan.conf there need not be any.
void settings_triplets(const struct iked *d)
{
    struct why why = {0};
    const char *given = d->strongswan.triplets, *path = given ? given : SIM_TRIPLETS_FILE;
    unsigned n;
    err_t e = sim_triplets_load(ike_simcards(d->ike), path, &n, &why);
    if (e == ERR_OK) log_say(LOG_INFO, "conf", "read %u triplets from %s", n, path);
    if (e == ERR_OK || (e == ERR_NOTFOUND && !given)) return;
    log_say(LOG_ERROR, "conf", "%s; no triplets of EAP-SIM are read from there", why.text);
}

void settings_again(struct iked *d)
{
    struct why why = {0};
    struct strongswan now = strongswan_default();
    const char *path = file_of(&d->options);
    log_reopen();
    if (!path) return;
    if (load(path, &now, &why) != ERR_OK) {
        log_say(LOG_ERROR, "conf", "%s; the settings in force stay as they are", why.text);
        strongswan_done(&now);
        return;
    }
    if (waits_for_start(&d->strongswan, &now)) {
        log_say(
            LOG_WARN, "conf",
            "%s: ports, marks, the control socket, ESP in UDP, folders that are written to, keys "
            "from DNS, DHCP and what becomes of virtual addresses wait for the next start",
            path);
    }
    if (d->options.log_n == 0) change_logs(&now);
    const struct ike_options o = settings_for_ike(&now);
    if (d->ike) ike_set_options(d->ike, &o);
    // What was said at run time holds until the file says something else than before.
    bool turned = now.whitelist != d->strongswan.whitelist;
    if (d->ike && turned) commands_whitelist_switch(d, now.whitelist);
    bool asked_elsewhere = memcmp(&now.radius, &d->strongswan.radius, sizeof now.radius) != 0;
    strongswan_done(&d->strongswan);
    d->strongswan = now;
    wipe(&now.radius, sizeof now.radius); // its secrets
    if (asked_elsewhere) {
        radius_settings(d);
        dae_settings(d);
    }
    if (d->ike) settings_triplets(d);
    network_settings(d->network);
}

static uint64_t to_ns(double seconds)
{
    return (uint64_t)(seconds * (double)NSEC_PER_SEC);
}

// Against those who only begin.
static void protect(const struct strongswan *s, struct ike_options *o)
{
    if (!s->dos_protection) {
        o->cookie_threshold = o->cookie_threshold_ip = UINT32_MAX;
        return;
    }
    o->cookie_threshold = s->cookie_threshold ? s->cookie_threshold : UINT32_MAX;
    o->cookie_threshold_ip = s->cookie_threshold_ip ? s->cookie_threshold_ip : UINT32_MAX;
    if (s->block_threshold) o->half_open_max_ip = s->block_threshold;
}

struct ike_options settings_for_ike(const struct strongswan *s)
{
    struct ike_options o = ike_options_default();
    o.retransmit_ns = to_ns(s->retransmit_timeout);
    o.retransmit_base = s->retransmit_base;
    o.retransmit_tries = s->retransmit_tries;
    o.retransmit_limit_ns = to_ns(s->retransmit_limit);
    o.retransmit_jitter = s->retransmit_jitter;
    o.retry_ns = to_ns(s->retry_initiate_interval);
    o.keepalive_ns = to_ns(s->keep_alive);
    o.half_open_ns = s->half_open_timeout * NSEC_PER_SEC;
    o.linger_ns = s->delete_rekeyed_delay * NSEC_PER_SEC;
    protect(s, &o);
    o.sas_max = s->ikesa_limit;
    o.iptfs = s->iptfs;
    o.spi_min = s->spi_min;
    o.spi_max = s->spi_max;
    o.idle_closes_ike = s->inactivity_close_ike;
    o.failed_child_closes_ike = s->close_ike_on_child_failure;
    o.each_child_apart = !s->reuse_ikesa;
    o.eap_order_n = s->eap_order_n;
    memcpy(o.eap_order, s->eap_order, sizeof o.eap_order);
    o.eap_in_ttls = s->eap_in_ttls;
    o.eap_in_peap = s->eap_in_peap;
    o.eap_prefer_peer = s->eap_prefer_user;
    o.radius = s->radius.habits;
    o.counts = s->radius.acct.on;
    o.sim = s->sim;
    o.tls_min = s->tls_min;
    o.tls_max = s->tls_max;
    (void)snprintf(o.tls_suites, sizeof o.tls_suites, "%s", s->tls_suites ? s->tls_suites : "");
    o.connmark = s->connmark;
    o.one_round = !s->multiple_authentication;
    o.classic_signatures = !s->signature_authentication;
    o.vendor_id = s->send_vendor_id;
    o.theirs_first = !s->prefer_configured_proposals;
    o.whole_selectors = s->ignore_acquire_ts;
    o.everybody = s->attributes ? &s->attributes->pool[0] : NULL;
    if (s->half_open_max) o.half_open_max = s->half_open_max;
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
