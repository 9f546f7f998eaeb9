#include "daemon/dhcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "daemon/dhcp_talk.h"
#include "daemon/rtnl.h"

#define SUBJECT "dhcp"
#define PACKET_MAX 2048 // bytes; longer answers are none
#define BURST_MAX 64    // packets that are read before others have their turn

struct dhcp {
    struct iked *d; // NULL before dhcp_start()
    struct strongswan_dhcp settings;
    char device[IF_NAMESIZE]; // "": any
    int packets, udp;
    struct rtnl *rtnl; // NULL where a device is named
    uint32_t way;      // index of the device by which the server was asked last; 0: not known
    struct dhcp_talks *talks;
    struct loop_io *io;
    struct loop_timer *timer;
};

// ---- sockets ----

static err_t failed(struct why *why, const char *what)
{
    return why_not(why, ERR_SYSTEM, "%s: %s", what, strerror(errno));
}

static err_t attach(int fd, struct sock_filter *code, unsigned short n, struct why *why)
{
    struct sock_fprog program = {n, code};
    int e = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
    return e == 0 ? ERR_OK : failed(why, "a filter of packets");
}

// IPv4 packets, from their header on: answers of servers, for hardware addresses like ours.
static err_t attach_answers(int fd, struct why *why)
{
    enum { UDP = 17, BOOT_REPLY = 2, OP = 8, CHADDR = 8 + 28, COOKIE = 8 + 236 };
    // clang-format off
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UDP, 0, 15),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x3fff, 13, 0), // a fragment
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DHCP_SERVER_PORT, 0, 10),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DHCP_SERVER_PORT, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DHCP_CLIENT_PORT, 0, 7),
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, OP),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BOOT_REPLY, 0, 5),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, CHADDR),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DHCP_MAC_PREFIX, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_IND, COOKIE),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DHCP_COOKIE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    // clang-format on
    return attach(fd, code, sizeof code / sizeof *code, why);
}

static err_t open_packets(struct dhcp *x, struct why *why)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
    if (*x->device) at.sll_ifindex = (int)if_nametoindex(x->device);
    if (*x->device && !at.sll_ifindex)
        return why_not(why, ERR_NOTFOUND, "there is no interface '%s'", x->device);
    // Of no protocol, so that nothing comes in before the filter stands.
    x->packets = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (x->packets < 0) return failed(why, "a packet socket");
    TRY(attach_answers(x->packets, why));
    int e = bind(x->packets, (struct sockaddr *)&at, sizeof at);
    return e == 0 ? ERR_OK : failed(why, "a packet socket");
}

static bool is_broadcast(const struct dhcp *x)
{
    return ip_eq(&x->settings.server, &(ip_t){AF_INET, {255, 255, 255, 255}});
}

static err_t bind_to_device(int fd, const char *device)
{
    if (!*device) return ERR_OK;
    socklen_t len = (socklen_t)strlen(device) + 1;
    return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, len) == 0 ? ERR_OK : ERR_SYSTEM;
}

// Nothing is ever read from it.
static err_t open_udp(struct dhcp *x, struct why *why)
{
    const int on = 1;
    struct sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    bool from_server = x->settings.use_server_port && !is_broadcast(x);
    struct sockaddr_in at = {.sin_family = AF_INET};
    at.sin_port = htons(from_server ? DHCP_SERVER_PORT : DHCP_CLIENT_PORT);
    x->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (x->udp < 0) return failed(why, "a UDP socket");
    TRY(attach(x->udp, nothing, 1, why));
    bool set = setsockopt(x->udp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
               setsockopt(x->udp, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) == 0;
    if (!set) return failed(why, "a UDP socket");
    if (bind_to_device(x->udp, x->device) != ERR_OK) return failed(why, x->device);
    if (bind(x->udp, (struct sockaddr *)&at, sizeof at) == 0) return ERR_OK;
    return failed(why, from_server ? "UDP port 67" : "UDP port 68");
}

struct dhcp *dhcp_open(const struct strongswan_dhcp *s)
{
    struct dhcp *x = calloc(1, sizeof *x);
    struct why why = {0};
    if (!x) return NULL;
    x->packets = x->udp = -1;
    x->settings = *s;
    const char *device = s->interface ? s->interface : "";
    err_t err = strlen(device) < sizeof x->device
                    ? ERR_OK
                    : why_not(&why, ERR_RANGE, "there is no interface '%.60s'", device);
    if (err == ERR_OK) memcpy(x->device, device, strlen(device));
    x->settings.interface = x->settings.server_text = NULL; // they do not last
    if (err == ERR_OK) err = open_packets(x, &why);
    if (err == ERR_OK) err = open_udp(x, &why);
    if (err == ERR_OK) return x;
    log_say(LOG_ERROR, SUBJECT,
            "%s: clients get no addresses from DHCP servers (charon.plugins.dhcp)", why.text);
    dhcp_free(x, false);
    return NULL;
}

// ---- what the talks need ----

static uint64_t port_now(void *ctx)
{
    (void)ctx;
    return clock_mono();
}

static void port_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    rng_fill(out, n);
}

static socklen_t server_at(const ip_t *server, struct sockaddr_storage *to)
{
    return endpoint_to_sockaddr(&(endpoint_t){*server, DHCP_SERVER_PORT}, to);
}

static ip_t port_source_for(void *ctx, const ip_t *server)
{
    const struct dhcp *x = ctx;
    const int on = 1;
    struct sockaddr_storage to, us = {0};
    socklen_t len = sizeof us;
    endpoint_t e = {.ip.family = AF_UNSPEC};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return e.ip;
    IGNORE(bind_to_device(fd, x->device)); // an old kernel forbids it: its routes decide
    bool known = setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) == 0 &&
                 connect(fd, (struct sockaddr *)&to, server_at(server, &to)) == 0 &&
                 getsockname(fd, (struct sockaddr *)&us, &len) == 0;
    if (known && endpoint_from_sockaddr(&us, len, &e) != ERR_OK) e.ip.family = AF_UNSPEC;
    (void)close(fd);
    return e.ip;
}

// Answers come back by it. Others than the server's neighbours, clients behind a tunnel say, have
// no part in that.
static void note_way(struct dhcp *x, const ip_t *to)
{
    struct rtnl_way way;
    struct why why;
    if (!x->rtnl || !ip_eq(to, &x->settings.server)) return;
    x->way = rtnl_way_to(x->rtnl, to, 0, &way, &why) == ERR_OK ? way.oif : 0;
}

static void port_send(void *ctx, const ip_t *to, span_t message)
{
    struct dhcp *x = ctx;
    struct sockaddr_storage at;
    char text[IP_TEXT_MAX];
    socklen_t len = server_at(to, &at);
    note_way(x, to);
    if (sendto(x->udp, message.at, message.len, 0, (struct sockaddr *)&at, len) >= 0) return;
    log_say(
        LOG_WARN, SUBJECT, "nothing can be sent to %s: %s%s", ip_show(to, text), strerror(errno),
        is_broadcast(x) && !*x->device ? " (charon.plugins.dhcp.interface says from where)" : "");
}

static void port_answered(void *ctx, struct dhcp_ask *ask)
{
    struct dhcp *x = ctx;
    ike_work_done(x->d->ike, &ask->w);
}

static void port_lost(void *ctx, uint32_t lease)
{
    struct dhcp *x = ctx;
    ike_lease_lost(x->d->ike, lease);
}

// ---- events ----

static void rearm(struct dhcp *x)
{
    uint64_t next = dhcp_talks_next(x->talks);
    if (next == UINT64_MAX) {
        loop_timer_stop(x->timer);
    } else {
        loop_timer_at(x->timer, next);
    }
}

// -1: no more of them; 0: to be passed over.
static ssize_t next_packet(const struct dhcp *x, uint8_t packet[PACKET_MAX])
{
    struct sockaddr_ll from = {0};
    socklen_t len = sizeof from;
    ssize_t n = recvfrom(x->packets, packet, PACKET_MAX, MSG_TRUNC, (struct sockaddr *)&from, &len);
    bool elsewhere = x->way && (uint32_t)from.sll_ifindex != x->way;
    return n > PACKET_MAX || (n > 0 && elsewhere) ? 0 : n;
}

static void on_packets(void *ctx, int fd, int events)
{
    struct dhcp *x = ctx;
    uint8_t packet[PACKET_MAX];
    span_t message;
    (void)fd, (void)events;
    for (unsigned i = 0; i < BURST_MAX; i++) {
        ssize_t n = next_packet(x, packet);
        if (n < 0) break;
        if (!x->d->ike || dhcp_unwrap(span(packet, (size_t)n), &message) != ERR_OK) continue;
        dhcp_talks_hear(x->talks, message);
    }
    rearm(x);
    iked_rearm(x->d);
}

static void on_time(void *ctx)
{
    struct dhcp *x = ctx;
    if (!x->d->ike) return;
    dhcp_talks_tick(x->talks);
    rearm(x);
    iked_rearm(x->d);
}

err_t dhcp_start(struct iked *d, struct why *why)
{
    struct dhcp *x = d->dhcp;
    const struct dhcp_port port = {x,         port_now,      port_random, port_source_for,
                                   port_send, port_answered, port_lost};
    x->d = d;
    if (!*x->device) TRY(rtnl_open(&x->rtnl, why));
    x->talks = dhcp_talks_new(&port, &x->settings);
    x->timer = loop_timer_new(d->loop, on_time, x);
    x->io = loop_io_new(d->loop, x->packets, LOOP_READ, on_packets, x);
    return x->talks && x->timer && x->io ? ERR_OK : why_not(why, ERR_NOMEM, "out of memory");
}

void dhcp_free(struct dhcp *x, bool release)
{
    if (!x) return;
    dhcp_talks_free(x->talks, release);
    loop_io_free(x->io);
    if (x->timer) loop_timer_free(x->timer);
    rtnl_close(x->rtnl);
    if (x->packets >= 0) (void)close(x->packets);
    if (x->udp >= 0) (void)close(x->udp);
    free(x);
}

// ---- for the diplomat ----

err_t dhcp_ask(void *ctx, struct ike_work *w)
{
    struct iked *d = ctx;
    if (!d->dhcp) return ERR_UNSUPPORTED;
    TRY(dhcp_talks_ask(d->dhcp->talks, (struct dhcp_ask *)w));
    rearm(d->dhcp);
    return ERR_OK;
}

void dhcp_release(void *ctx, uint32_t lease)
{
    struct iked *d = ctx;
    if (!d->dhcp) return;
    dhcp_talks_release(d->dhcp->talks, lease);
    rearm(d->dhcp);
}
