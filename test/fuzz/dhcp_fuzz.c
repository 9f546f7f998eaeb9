// What comes from DHCP servers and from whoever says that he is one: the packet around it, and the
// conversation. A step is a flag byte, two bytes of length and a packet; by the flags its
// transaction and hardware address are made those of our last message, a client asks or goes, or
// the clock moves on.
#include <stdlib.h>
#include <string.h>

#include "daemon/dhcp_talk.h"
#include "test/fuzz/must.h"

#define CLIENTS_MAX 8
#define STEPS_MAX 64
#define XID 4
#define CHADDR 28
#define CHADDR_END 34

enum flags { OURS = 1, ASKS = 2, SHARES = 4, WISHES = 8, GOES = 16, WAITS = 32, BARE = 64 };

static struct world {
    uint64_t now;
    uint8_t last[DHCP_OUT_MAX];
    unsigned asks, answers, leases, said;
    uint32_t lease[STEPS_MAX];
} w;

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

static uint64_t port_now(void *ctx)
{
    (void)ctx;
    return w.now;
}

static void port_random(void *ctx, void *out, size_t n)
{
    static uint8_t next;
    (void)ctx;
    memset(out, ++next, n);
}

static ip_t port_source(void *ctx, const ip_t *server)
{
    (void)ctx, (void)server;
    return (ip_t){AF_INET, {10, 1, 0, 1}};
}

static void port_send(void *ctx, const ip_t *to, span_t m)
{
    (void)ctx;
    MUST(to->family == AF_INET && m.len >= 300 && m.len <= sizeof w.last);
    memcpy(w.last, m.at, m.len);
    w.said++;
}

static void port_answered(void *ctx, struct dhcp_ask *a)
{
    (void)ctx;
    w.answers++;
    if (a->err == ERR_OK) {
        MUST(a->lease.id && !ip_is_any(&a->lease.ip) && a->lease.ip.b[0] < 224);
        MUST(a->lease.dns_n <= LEASE_SERVERS_MAX && a->lease.nbns_n <= LEASE_SERVERS_MAX);
        w.lease[w.leases++] = a->lease.id;
    } else {
        MUST(!a->lease.id && a->why.text[0]);
    }
    free(a);
}

static void port_lost(void *ctx, uint32_t lease)
{
    struct dhcp_talks **t = ctx;
    for (unsigned i = 0; i < w.leases; i++) {
        if (w.lease[i] != lease) continue;
        dhcp_talks_release(*t, lease); // as an IKE SA that ends at once does
        w.lease[i] = 0;
    }
}

static void ask_free(struct ike_work *work)
{
    w.answers++;
    free(work);
}

static void ask(struct dhcp_talks *t, uint8_t flags, uint8_t who)
{
    struct dhcp_ask *a = calloc(1, sizeof *a);
    if (!a) return;
    a->w.free = ask_free;
    a->who = (struct id){.type = ID_FQDN, .len = 1, .data = {(uint8_t)('a' + who % CLIENTS_MAX)}};
    a->wish = (ip_t){AF_INET, {0}};
    if (flags & WISHES) a->wish = (ip_t){AF_INET, {10, 1, 0, who}};
    a->shares = flags & SHARES;
    if (dhcp_talks_ask(t, a) == ERR_OK) {
        w.asks++;
    } else {
        free(a);
    }
}

static void hear(struct dhcp_talks *t, uint8_t flags, span_t packet)
{
    uint8_t copy[2048];
    span_t m = packet;
    if (!(flags & BARE) && dhcp_unwrap(packet, &m) != ERR_OK) return;
    MUST(m.len == 0 || (m.at >= packet.at && m.at + m.len <= packet.at + packet.len));
    if (m.len > sizeof copy) return;
    if (m.len) memcpy(copy, m.at, m.len);
    if (flags & OURS && m.len >= CHADDR_END) {
        memcpy(copy + XID, w.last + XID, 4);
        memcpy(copy + CHADDR, w.last + CHADDR, CHADDR_END - CHADDR);
    }
    dhcp_talks_hear(t, span(copy, m.len));
}

static void step(struct dhcp_talks *t, uint8_t flags, span_t packet)
{
    uint8_t first = packet.len ? packet.at[0] : 0;
    if (flags & ASKS) ask(t, flags, first);
    if (flags & GOES && w.leases) {
        dhcp_talks_release(t, w.lease[w.leases - 1]);
        w.lease[--w.leases] = 0;
    }
    if (flags & WAITS) {
        uint64_t next = dhcp_talks_next(t);
        if (next != UINT64_MAX && next > w.now) w.now = next;
    }
    dhcp_talks_tick(t);
    MUST(dhcp_talks_next(t) > w.now);
    if (!(flags & (ASKS | GOES))) hear(t, flags, packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    rd_t r = rd_from(span(in, n));
    uint8_t how = rd_u8(&r);
    struct dhcp_talks *t = NULL;
    const struct dhcp_port port = {&t,        port_now,      port_random, port_source,
                                   port_send, port_answered, port_lost};
    struct strongswan_dhcp s = {.identity_lease = how & 1, .force_server = how & 2};
    s.server = (ip_t){AF_INET, {255, 255, 255, 255}};
    if (how & 4) s.server.b[0] = 10;
    w = (struct world){.now = NSEC_PER_SEC};
    t = dhcp_talks_new(&port, &s);
    for (unsigned i = 0; t && i < STEPS_MAX && rd_left(&r); i++) {
        uint8_t flags = rd_u8(&r);
        uint16_t len = rd_u16(&r);
        if (len > rd_left(&r)) len = (uint16_t)rd_left(&r);
        step(t, flags, rd_bytes(&r, len));
    }
    dhcp_talks_free(t, true);
    MUST(w.answers == w.asks);
    return 0;
}
