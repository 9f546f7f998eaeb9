#include "daemon/xfrmd_ports.h"

#include <netinet/in.h>
#include <unistd.h>

#include "netlink/bypass.h"

static const uint16_t families[ENGINE_FAMILIES] = {AF_INET, AF_INET6};

static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) (void)close(fd);
    return fd >= 0;
}

// ESP is not to be protected again, nor dropped for coming in clear. No XFRM in the kernel: there
// is nothing to be exempt from.
static err_t exempt(const struct port *port, uint16_t family, struct why *why)
{
    err_t e = netlink_bypass(port->ops->fd(port), family);
    if (e == ERR_OK || e == ERR_UNSUPPORTED) return ERR_OK;
    return why_not(why, e,
                   "port %s: cannot be exempt from the kernel's IPsec policies: %s; "
                   "run as root (CAP_NET_ADMIN)",
                   port->ops->name, err_text(e));
}

// By IP protocol, without UDP.
static err_t open_raw(const struct xfrmd_options *o, enum engine_family f, struct engine_ports *p,
                      struct why *why)
{
    const struct {
        uint8_t protocol;
        struct port **port;
    } raw[] = {
        {IPPROTO_ESP, &p->raw[f]},
        {IPPROTO_AH, &p->ah[f]},
        {IPPROTO_COMP, &p->comp[f]},
        {IPPROTO_IPIP, &p->plain[f][ENGINE_V4]},
        {IPPROTO_IPV6, &p->plain[f][ENGINE_V6]},
    };
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++) {
        TRY(raw_ip_open(families[f], raw[i].protocol, o->fwmark, raw[i].port, why));
        TRY(exempt(*raw[i].port, families[f], why));
    }
    return ERR_OK;
}

static err_t open_family(const struct xfrmd_options *o, enum engine_family f,
                         struct engine_ports *p, struct why *why)
{
    const uint16_t family = families[f];
    if (!o->no_udp) {
        TRY(udp_encap_open(family, o->port, o->fwmark, &p->udp[f], why));
        TRY(exempt(p->udp[f], family, why));
    }
    if (!o->no_raw) TRY(open_raw(o, f, p, why));
    TRY(icmp_open(family, &p->icmp[f], why));
    TRY(exempt(p->icmp[f], family, why));
    TRY(clear_ip_open(family, o->fwmark, &p->clear[f], why));
    return exempt(p->clear[f], family, why);
}

static err_t open_all(const struct xfrmd_options *o, struct engine_ports *p, struct why *why)
{
    TRY(tun_open(o->tun, o->mtu, &p->tun, why));
    TRY(open_family(o, ENGINE_V4, p, why));
    if (!has_ipv6()) {
        log_say(LOG_INFO, "ports", "the kernel has no IPv6: left out");
        return ERR_OK;
    }
    return open_family(o, ENGINE_V6, p, why);
}

err_t xfrmd_ports_open(const struct xfrmd_options *o, struct engine_ports *out, struct why *why)
{
    struct engine_ports p = {0};
    err_t e = open_all(o, &p, why);
    if (e != ERR_OK) {
        xfrmd_ports_close(&p);
        return e;
    }
    *out = p;
    return ERR_OK;
}

err_t xfrmd_ports_open_at(const struct xfrmd_options *o, const endpoint_t *at, struct port **out,
                          struct why *why)
{
    struct port *port;
    TRY(udp_encap_open_at(at, o->fwmark, &port, why));
    err_t e = exempt(port, at->ip.family, why);
    if (e != ERR_OK) {
        port->ops->free(port);
        return e;
    }
    *out = port;
    return ERR_OK;
}

static void port_close(struct port **p)
{
    if (*p) (*p)->ops->free(*p);
    *p = NULL;
}

void xfrmd_ports_close(struct engine_ports *p)
{
    port_close(&p->tun);
    for (int f = 0; f < ENGINE_FAMILIES; f++) {
        port_close(&p->udp[f]);
        port_close(&p->raw[f]);
        port_close(&p->ah[f]);
        port_close(&p->comp[f]);
        port_close(&p->plain[f][ENGINE_V4]);
        port_close(&p->plain[f][ENGINE_V6]);
        port_close(&p->icmp[f]);
        port_close(&p->clear[f]);
    }
}

void xfrmd_ports_each(const struct engine_ports *p,
                      void (*fn)(void *ctx, const struct port *port, uint16_t family), void *ctx)
{
    if (p->tun) fn(ctx, p->tun, AF_UNSPEC);
    for (int f = 0; f < ENGINE_FAMILIES; f++) {
        if (p->udp[f]) fn(ctx, p->udp[f], families[f]);
        if (p->raw[f]) fn(ctx, p->raw[f], families[f]);
        if (p->ah[f]) fn(ctx, p->ah[f], families[f]);
        if (p->comp[f]) fn(ctx, p->comp[f], families[f]);
        for (int in = 0; in < ENGINE_FAMILIES; in++) {
            if (p->plain[f][in]) fn(ctx, p->plain[f][in], families[f]);
        }
        if (p->icmp[f]) fn(ctx, p->icmp[f], families[f]);
        if (p->clear[f]) fn(ctx, p->clear[f], families[f]);
    }
}

void xfrmd_ports_listen_plain(const struct engine_ports *p, bool on)
{
    for (int i = 0; i < ENGINE_FAMILIES * ENGINE_FAMILIES; i++) {
        const struct port *plain = p->plain[i / ENGINE_FAMILIES][i % ENGINE_FAMILIES];
        if (plain) raw_ip_listen(plain, on);
    }
}
