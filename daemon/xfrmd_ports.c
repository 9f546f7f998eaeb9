#include "daemon/xfrmd_ports.h"

#include <netinet/in.h>
#include <unistd.h>

#include "netlink/bypass.h"
#include "xfrm/db/counter.h"

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

static void share_raw(struct engine_ports *p, enum engine_family f, unsigned index, unsigned count)
{
    const struct port *shared[] = {p->raw[f], p->ah[f], p->comp[f]};
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        raw_ip_share(shared[i], index, count);
}

static err_t open_udp(const struct xfrmd_options *o, enum engine_family f, struct xfrmd_ports *p,
                      struct why *why)
{
    struct port *udp[WORKERS_MAX];
    TRY(xfrmd_ports_open_udp(o, families[f], o->port, udp, why));
    for (unsigned i = 0; i < p->workers; i++) p->of[i].udp[f] = udp[i];
    return ERR_OK;
}

static err_t open_family(const struct xfrmd_options *o, enum engine_family f, struct xfrmd_ports *p,
                         struct why *why)
{
    if (!o->no_udp) TRY(open_udp(o, f, p, why));
    for (unsigned i = 0; i < p->workers; i++) {
        struct engine_ports *of = &p->of[i];
        if (!o->no_raw) TRY(open_raw(o, f, of, why));
        if (!o->no_raw && p->workers > 1) share_raw(of, f, i, p->workers);
        TRY(clear_ip_open(families[f], o->fwmark, &of->clear[f], why));
        TRY(exempt(of->clear[f], families[f], why));
    }
    // Each of several such sockets would get every message.
    TRY(icmp_open(families[f], &p->of[0].icmp[f], why));
    return exempt(p->of[0].icmp[f], families[f], why);
}

static err_t open_all(const struct xfrmd_options *o, struct xfrmd_ports *p, struct why *why)
{
    struct port *tun[WORKERS_MAX];
    TRY(tun_open(o->tun, o->mtu, p->workers, tun, why));
    for (unsigned i = 0; i < p->workers; i++) p->of[i].tun = tun[i];
    TRY(open_family(o, ENGINE_V4, p, why));
    if (!has_ipv6()) {
        log_say(LOG_INFO, "ports", "the kernel has no IPv6: left out");
        return ERR_OK;
    }
    return open_family(o, ENGINE_V6, p, why);
}

static void share_xdp(const struct xdp *xdp, struct xfrmd_ports *p)
{
    for (unsigned i = 0; xdp && i < XDP_SIDES * XDP_QUEUES_MAX; i++) {
        const unsigned side = i / XDP_QUEUES_MAX, queue = i % XDP_QUEUES_MAX;
        p->of[queue % p->workers].xdp[side][queue] = xdp_port(xdp, (enum xdp_side)side, queue);
    }
}

err_t xfrmd_ports_open(const struct xfrmd_options *o, const struct xdp *xdp,
                       struct xfrmd_ports *out, struct why *why)
{
    *out = (struct xfrmd_ports){.workers = o->workers};
    share_xdp(xdp, out);
    err_t e = open_all(o, out, why);
    if (e != ERR_OK) xfrmd_ports_close(out);
    return e;
}

err_t xfrmd_ports_open_udp(const struct xfrmd_options *o, uint16_t family, uint16_t number,
                           struct port **out, struct why *why)
{
    TRY(udp_encap_open(family, number, o->fwmark, o->workers, out, why));
    for (unsigned i = 0; i < o->workers; i++) {
        err_t e = exempt(out[i], family, why);
        if (e == ERR_OK) continue;
        xfrmd_ports_close_udp(o, out);
        return e;
    }
    return ERR_OK;
}

void xfrmd_ports_close_udp(const struct xfrmd_options *o, struct port **ports)
{
    for (unsigned i = 0; i < o->workers; i++) {
        ports[i]->ops->free(ports[i]);
        ports[i] = NULL;
    }
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

// ---- all ports of a worker, in the order in which they are shown ----

#define KINDS (1 + ENGINE_FAMILIES * 8)

struct kind {
    struct port **port;
    uint16_t family;
};

static void kinds_of(struct engine_ports *p, struct kind out[KINDS])
{
    unsigned n = 0;
    out[n++] = (struct kind){&p->tun, AF_UNSPEC};
    for (int f = 0; f < ENGINE_FAMILIES; f++) {
        struct port **const all[] = {&p->udp[f],
                                     &p->raw[f],
                                     &p->ah[f],
                                     &p->comp[f],
                                     &p->plain[f][ENGINE_V4],
                                     &p->plain[f][ENGINE_V6],
                                     &p->icmp[f],
                                     &p->clear[f]};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            out[n++] = (struct kind){all[i], families[f]};
    }
}

void xfrmd_ports_close(struct xfrmd_ports *p)
{
    struct kind kinds[KINDS];
    for (unsigned i = 0; i < p->workers; i++) {
        kinds_of(&p->of[i], kinds);
        for (unsigned k = 0; k < KINDS; k++) {
            struct port *port = *kinds[k].port;
            if (port) port->ops->free(port);
            *kinds[k].port = NULL;
        }
    }
}

void xfrmd_ports_add_counts(const struct port *p, struct port_counts *sum)
{
    sum->packets_in += count_get(&p->counts.packets_in);
    sum->bytes_in += count_get(&p->counts.bytes_in);
    sum->packets_out += count_get(&p->counts.packets_out);
    sum->bytes_out += count_get(&p->counts.bytes_out);
    sum->ignored += count_get(&p->counts.ignored);
    sum->refused_out += count_get(&p->counts.refused_out);
}

static void each_xdp(const struct xfrmd_ports *p, xfrmd_ports_fn *fn, void *ctx)
{
    for (int side = 0; side < XDP_SIDES; side++) {
        struct port_counts sum = {0};
        const struct port *any = NULL;
        for (unsigned i = 0; i < p->workers * XDP_QUEUES_MAX; i++) {
            const struct port *port = p->of[i / XDP_QUEUES_MAX].xdp[side][i % XDP_QUEUES_MAX];
            if (!port) continue;
            any = port;
            xfrmd_ports_add_counts(port, &sum);
        }
        if (any) fn(ctx, any->ops->name, AF_UNSPEC, &sum);
    }
}

void xfrmd_ports_each(const struct xfrmd_ports *p, xfrmd_ports_fn *fn, void *ctx)
{
    each_xdp(p, fn, ctx);
    for (unsigned k = 0; k < KINDS; k++) {
        struct port_counts sum = {0};
        const struct port *any = NULL;
        uint16_t family = AF_UNSPEC;
        for (unsigned i = 0; i < p->workers; i++) {
            struct engine_ports of = p->of[i];
            struct kind kinds[KINDS];
            kinds_of(&of, kinds);
            const struct port *port = *kinds[k].port;
            family = kinds[k].family;
            if (!port) continue;
            any = port;
            xfrmd_ports_add_counts(port, &sum);
        }
        if (any) fn(ctx, any->ops->name, family, &sum);
    }
}

// All those sockets get every packet: the first worker's are enough.
void xfrmd_ports_listen_plain(const struct xfrmd_ports *p, bool on)
{
    for (int i = 0; i < ENGINE_FAMILIES * ENGINE_FAMILIES; i++) {
        const struct port *plain = p->of[0].plain[i / ENGINE_FAMILIES][i % ENGINE_FAMILIES];
        if (plain) raw_ip_listen(plain, on);
    }
}
