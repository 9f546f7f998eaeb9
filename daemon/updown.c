#include "daemon/updown.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "daemon/hold.h"
#include "daemon/scripts.h"
#include "ike/sa/child_sa.h"
#include "ike/sa/vip.h"

// One variable; its terminator separates it from the next.
__attribute__((format(printf, 3, 4))) static void put(struct text *t, const char *name,
                                                      const char *fmt, ...)
{
    va_list args;
    text_add(t, "%s=", name);
    va_start(args, fmt);
    text_addv(t, fmt, args);
    va_end(args);
    text_add(t, "%c", '\0');
}

// The smallest network with all of a selector's addresses.
static prefix_t network_of(const struct ts *ts)
{
    unsigned len = ip_bits(ts->lo.family);
    while (len > 0 && !bits_eq(ts->lo.b, ts->hi.b, len)) len--;
    prefix_t p = {ts->lo, (uint8_t)len};
    for (unsigned bit = len; bit < ip_bits(ts->lo.family); bit++)
        p.ip.b[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
    return p;
}

static bool is_host(const struct ts *ts, const ip_t *ip)
{
    return ip_eq(&ts->lo, ip) && ip_eq(&ts->hi, ip);
}

static void put_interface(struct text *t, const ip_t *ip)
{
    struct ifaddrs *all, *i;
    const char *name = "unknown";
    endpoint_t e;
    if (getifaddrs(&all) != 0) return;
    for (i = all; i; i = i->ifa_next) {
        if (!i->ifa_addr) continue;
        if (endpoint_from_sockaddr(i->ifa_addr, sizeof(struct sockaddr_in6), &e) != ERR_OK)
            continue;
        if (ip_eq(&e.ip, ip)) name = i->ifa_name;
    }
    put(t, "PLUTO_INTERFACE", "%s", name);
    freeifaddrs(all);
}

static void put_selector(struct text *t, const char *whose, const struct ts *ts)
{
    char name[32], net[PREFIX_TEXT_MAX];
    const prefix_t p = network_of(ts);
    (void)snprintf(name, sizeof name, "PLUTO_%s_CLIENT", whose);
    put(t, name, "%s", prefix_show(&p, net));
    (void)snprintf(name, sizeof name, "PLUTO_%s_PROTOCOL", whose);
    put(t, name, "%u", ts->proto);
}

// As iptables takes them: one port, "low:high", or 0 for any.
static void put_port(struct text *t, const char *name, const struct ts *ts)
{
    bool any = ts->port_lo == 0 && ts->port_hi == UINT16_MAX;
    if (any || ts->port_lo == ts->port_hi)
        put(t, name, "%u", ts->port_lo);
    else
        put(t, name, "%u:%u", ts->port_lo, ts->port_hi);
}

// Ports of ICMP are a type, which strongSwan tells as ours, and a code, as the peer's.
// rfc7296 3.13.1 MUST: the type is the most significant byte, whichever selector says it.
static void put_ports(struct text *t, const struct ts *my, const struct ts *peer)
{
    const uint16_t icmp = my->port_lo > peer->port_lo ? my->port_lo : peer->port_lo;
    if (my->proto == IPPROTO_ICMP || my->proto == IPPROTO_ICMPV6) {
        put(t, "PLUTO_MY_PORT", "%u", icmp >> 8);
        put(t, "PLUTO_PEER_PORT", "%u", icmp & 0xff);
        return;
    }
    put_port(t, "PLUTO_MY_PORT", my);
    put_port(t, "PLUTO_PEER_PORT", peer);
}

static void put_mark(struct text *t, const char *name, const struct xfrm_mark *mark)
{
    if (mark->value) put(t, name, "%u/0x%08x", mark->value, mark->mask);
}

// Virtual addresses: ours from a gateway with its name servers, or the peer's.
static void put_virtual(struct text *t, const struct vips *v)
{
    char name[40], ip[IP_TEXT_MAX];
    const char *whose = v->given ? "MY" : "PEER";
    unsigned seen[2] = {0};
    for (unsigned i = 0; i < v->n; i++) {
        bool six = v->ip[i].family == AF_INET6;
        if (i == 0) {
            (void)snprintf(name, sizeof name, "PLUTO_%s_SOURCEIP", whose);
            put(t, name, "%s", ip_show(&v->ip[i], ip));
        }
        (void)snprintf(name, sizeof name, "PLUTO_%s_SOURCEIP%c_%u", whose, six ? '6' : '4',
                       ++seen[six]);
        put(t, name, "%s", ip_show(&v->ip[i], ip));
    }
    seen[0] = seen[1] = 0;
    for (unsigned i = 0; v->given && i < v->given->dns_n; i++) {
        bool six = v->given->dns[i].family == AF_INET6;
        (void)snprintf(name, sizeof name, "PLUTO_DNS%c_%u", six ? '6' : '4', ++seen[six]);
        put(t, name, "%s", ip_show(&v->given->dns[i], ip));
    }
}

static void put_sa(struct text *t, const struct ike_sa *sa, const struct child_sa *c)
{
    char id[ID_TEXT_MAX], ip[IP_TEXT_MAX];
    put(t, "PLUTO_VERSION", "1.1");
    put(t, "PLUTO_CONNECTION", "%s", c->conf->name);
    put_interface(t, &sa->local.ip);
    put(t, "PLUTO_REQID", "%u", c->reqid);
    put(t, "PLUTO_PROTO", "%s", c->chosen->protocol == PROTO_AH ? "ah" : "esp");
    put(t, "PLUTO_UNIQUEID", "%u", sa->id);
    put(t, "PLUTO_ME", "%s", ip_show(&sa->local.ip, ip));
    put(t, "PLUTO_MY_ID", "%s", id_show(&sa->local_id, id));
    put(t, "PLUTO_PEER", "%s", ip_show(&sa->remote.ip, ip));
    put(t, "PLUTO_PEER_ID", "%s", id_show(&sa->remote_id, id));
    if (sa->eap_id) put(t, "PLUTO_XAUTH_ID", "%s", id_show(sa->eap_id, id)); // as strongSwan
    put_mark(t, "PLUTO_MARK_IN", &c->steering.in);
    put_mark(t, "PLUTO_MARK_OUT", &c->steering.out);
    if (c->steering.if_id_in) put(t, "PLUTO_IF_ID_IN", "%u", c->steering.if_id_in);
    if (c->steering.if_id_out) put(t, "PLUTO_IF_ID_OUT", "%u", c->steering.if_id_out);
    if (c->udp) put(t, "PLUTO_UDP_ENC", "%u", sa->remote.port);
    if (sa->vips) put_virtual(t, sa->vips);
    if (c->conf->hostaccess) put(t, "PLUTO_HOST_ACCESS", "1");
}

static void call(struct iked *d, const struct child_sa *c, const struct text *vars)
{
    err_t e = scripts_run(d->scripts, c->conf->updown, span(vars->at, vars->len));
    if (e != ERR_OK)
        log_say(LOG_ERROR, "updown", "%s: %s not run: %s", c->conf->name, c->conf->updown,
                err_text(e));
    hold_asked(d);
}

static void call_for(struct iked *d, const struct child_sa *c, const char *event,
                     const struct ts *my, const struct ts *peer)
{
    const struct ike_sa *sa = c->sa;
    struct text vars = {0};
    put_sa(&vars, sa, c);
    put(&vars, "PLUTO_VERB", "%s-%s%s", event, is_host(my, &sa->local.ip) ? "host" : "client",
        my->lo.family == AF_INET6 ? "-v6" : "");
    put_selector(&vars, "MY", my);
    put_selector(&vars, "PEER", peer);
    put_ports(&vars, my, peer);
    if (!d->executor.kernel) put(&vars, "PAVISE_DEVICE", EXECUTOR_TUN);
    call(d, c, &vars);
    text_done(&vars);
}

void updown_event(struct iked *d, const struct child_sa *child, bool up)
{
    if (!child->conf->updown) return;
    if (!d->scripts) {
        log_say(LOG_ERROR, "updown",
                "%s: %s not run: no configuration with updown scripts was there when the daemon "
                "started; restart pavise-iked",
                child->conf->name, child->conf->updown);
        return;
    }
    for (unsigned i = 0; i < child->local_ts->n; i++) {
        for (unsigned k = 0; k < child->remote_ts->n; k++) {
            const struct ts *my = &child->local_ts->ts[i], *peer = &child->remote_ts->ts[k];
            if (my->lo.family != peer->lo.family) continue;
            call_for(d, child, up ? "up" : "down", my, peer);
        }
    }
}
