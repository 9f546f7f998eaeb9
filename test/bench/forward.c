// forward.c - the bench's own program, never installed: the ports of pavise-xfrmd with nothing
// between them. What comes from the TUN device goes out with as many bytes around it as ESP with
// AES-GCM would put there, and nothing is encrypted, numbered or looked up. It tells what the
// system calls cost, and so what a tunnel could reach at best.
//
//     forward DEVICE LOCAL REMOTE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/port/port.h"

#define HEAD 16 // SPI, sequence number, IV
#define TAIL 18 // pad length, next header, ICV
#define SPI 0x77777777
#define UDP_PORT 4500
#define MTU 1400
#define BUFFERS 1024

struct forward {
    struct pool *pool;
    struct port *tun, *udp;
    endpoint_t local, remote;
};

static void out(const struct forward *f)
{
    struct burst b = {.n = 0};
    f->tun->ops->recv(f->tun, f->pool, &b);
    for (unsigned i = 0; i < b.n; i++) {
        struct pkt *p = b.p[i];
        (void)pkt_make_room(p, HEAD);
        p->at -= HEAD;
        p->len += HEAD + TAIL;
        put32(p->at, SPI);
        p->from = f->local;
        p->to = f->remote;
    }
    f->udp->ops->send(f->udp, b.p, b.n);
    for (unsigned i = 0; i < b.n; i++) pool_give(f->pool, b.p[i]);
}

static void in(const struct forward *f)
{
    struct burst b = {.n = 0}, go = {.n = 0};
    f->udp->ops->recv(f->udp, f->pool, &b);
    for (unsigned i = 0; i < b.n; i++) {
        struct pkt *p = b.p[i];
        if (p->len <= HEAD + TAIL) continue;
        p->at += HEAD;
        p->len -= HEAD + TAIL;
        if (flow_read(p)) go.p[go.n++] = p;
    }
    f->tun->ops->send(f->tun, go.p, go.n);
    for (unsigned i = 0; i < b.n; i++) pool_give(f->pool, b.p[i]);
}

static int run(const struct forward *f)
{
    struct pollfd at[] = {{.fd = f->tun->ops->fd(f->tun), .events = POLLIN},
                          {.fd = f->udp->ops->fd(f->udp), .events = POLLIN}};
    for (;;) {
        bool more = f->tun->more || f->udp->more;
        if (poll(at, 2, more ? 0 : -1) < 0) return EXIT_FAILURE;
        if (f->tun->more || (at[0].revents & POLLIN)) out(f);
        if (f->udp->more || (at[1].revents & POLLIN)) in(f);
    }
}

int main(int argc, char **argv)
{
    struct forward f = {.pool = pool_new(BUFFERS)};
    struct why why = {"usage: forward DEVICE LOCAL REMOTE"};
    bool given = argc == 4 && ip_parse(argv[2], &f.local.ip) == ERR_OK &&
                 ip_parse(argv[3], &f.remote.ip) == ERR_OK;
    f.local.port = f.remote.port = UDP_PORT;
    if (!f.pool || !given || tun_open(argv[1], MTU, 1, &f.tun, &why) != ERR_OK ||
        udp_encap_open(f.local.ip.family, UDP_PORT, 0, 1, &f.udp, &why) != ERR_OK) {
        (void)fprintf(stderr, "forward: %s\n", why.text);
        return EXIT_FAILURE;
    }
    (void)puts("ready");
    (void)fflush(stdout);
    return run(&f);
}
