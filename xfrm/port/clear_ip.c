// clear_ip.c - packets that bring their own IP header: those that policy lets pass in clear, on
// their way past the TUN device, and protected ones whose header no other socket could make.
#include <stdlib.h>
#include <unistd.h>

#include "xfrm/db/counter.h"
#include "xfrm/port/batch.h"

struct clear_ip {
    struct port port;
    int fd;
    uint16_t family;
    struct batch batch;
};

static struct clear_ip *self(struct port *p)
{
    return (struct clear_ip *)p;
}

// Link-local and multicast packets belong to the link they were sent on; that was the TUN device.
static bool leaves_link(const ip_t *to)
{
    bool multicast = to->family == AF_INET ? to->b[0] >= 224 : to->b[0] == 0xff;
    bool local = to->family == AF_INET ? to->b[0] == 169 && to->b[1] == 254
                                       : to->b[0] == 0xfe && (to->b[1] & 0xc0) == 0x80;
    return !multicast && !local;
}

static void clear_ip_recv(struct port *port, struct pool *pool, struct burst *b)
{
    (void)port, (void)pool, (void)b;
}

static void clear_ip_send(struct port *port, struct pkt **p, unsigned n)
{
    struct clear_ip *c = self(port);
    struct pkt *go[BURST_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < n; i++) {
        if (p[i]->whole) {
            p[i]->to.port = 0; // IPv6 reads it as the protocol
            go[count++] = p[i];
            continue;
        }
        if (!leaves_link(&p[i]->flow.dst)) {
            count_add(&port->counts.ignored, 1); // the kernel's own, such as MLD reports
            continue;
        }
        p[i]->to = (endpoint_t){.ip = p[i]->flow.dst};
        go[count++] = p[i];
    }
    batch_send_bare(&c->batch, c->fd, c->family, go, count, &port->counts);
}

static int clear_ip_fd(const struct port *port)
{
    return ((const struct clear_ip *)port)->fd;
}

static void clear_ip_free(struct port *port)
{
    (void)close(self(port)->fd);
    free(port);
}

static const struct port_ops clear_ip_ops = {"clear_ip", clear_ip_recv, clear_ip_send, clear_ip_fd,
                                             clear_ip_free};

err_t clear_ip_open(uint16_t family, uint32_t fwmark, struct port **out, struct why *why)
{
    struct clear_ip *c = calloc(1, sizeof *c);
    if (!c) return why_not(why, ERR_NOMEM, "out of memory");
    c->port.ops = &clear_ip_ops;
    c->family = family;
    // IPPROTO_RAW receives nothing and means that packets bring their IP header, in both families.
    err_t e = batch_socket(family, SOCK_RAW, IPPROTO_RAW, fwmark, &c->fd, why);
    if (e != ERR_OK) {
        free(c);
        return e;
    }
    *out = &c->port;
    return ERR_OK;
}
