#include "daemon/farp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon/arp_msg.h"
#include "ike/sa/child_sa.h"

#define SUBJECT "farp"
#define BUCKETS 256  // by the last byte of an address: neighbours differ in it
#define BURST_MAX 64 // packets that are read before others have their turn

// An address that is answered for; several children may have it for a while (reauthentication).
struct answered {
    struct answered *next;
    ip_t ip;
    int ifindex;
    unsigned users;
};

struct farp {
    int fd;
    struct loop_io *io;
    unsigned n;
    struct answered *bucket[BUCKETS];
};

// ---- the socket ----

static err_t attach(const struct farp *f, struct sock_filter *code, unsigned short n)
{
    struct sock_fprog program = {n, code};
    int e = setsockopt(f->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
    return e == 0 ? ERR_OK : ERR_SYSTEM;
}

// As long as there is nobody to answer for, nobody wakes us.
static err_t attach_nothing(const struct farp *f)
{
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    return attach(f, code, 1);
}

static err_t attach_requests(const struct farp *f)
{
    // clang-format off
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 3),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARPOP_REQUEST, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, ARP_LEN),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    // clang-format on
    return attach(f, code, sizeof code / sizeof *code);
}

struct farp *farp_open(void)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP)};
    struct farp *f = calloc(1, sizeof *f);
    if (f) {
        // Of no protocol, so that nothing comes in before the filter stands.
        f->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (f->fd >= 0 && attach_nothing(f) == ERR_OK &&
            bind(f->fd, (struct sockaddr *)&at, sizeof at) == 0)
            return f;
    }
    log_say(LOG_ERROR, SUBJECT,
            "ARP is not answered for clients, and their neighbours will not find them: %s "
            "(plugin farp; it needs CAP_NET_RAW)",
            f ? strerror(errno) : err_text(ERR_NOMEM));
    farp_free(f);
    return NULL;
}

void farp_free(struct farp *f)
{
    if (!f) return;
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct answered *a = f->bucket[i], *next; a; a = next) {
            next = a->next;
            free(a);
        }
    }
    loop_io_free(f->io);
    if (f->fd >= 0) (void)close(f->fd);
    free(f);
}

// ---- addresses ----

static struct answered **place_of(struct farp *f, const ip_t *ip)
{
    struct answered **at = &f->bucket[ip->b[3]];
    while (*at && !ip_eq(&(*at)->ip, ip)) at = &(*at)->next;
    return at;
}

static void stop(struct farp *f, struct answered **at)
{
    struct answered *a = *at;
    *at = a->next;
    free(a);
    if (--f->n == 0) IGNORE(attach_nothing(f)); // what is heard is for nobody
}

static void start(struct farp *f, const ip_t *ip, int ifindex)
{
    char text[IP_TEXT_MAX];
    struct answered *a = calloc(1, sizeof *a), **at = &f->bucket[ip->b[3]];
    if (!a || (f->n == 0 && attach_requests(f) != ERR_OK)) {
        log_say(LOG_WARN, SUBJECT, "ARP is not answered for %s: %s", ip_show(ip, text),
                a ? strerror(errno) : err_text(ERR_NOMEM));
        free(a);
        return;
    }
    *a = (struct answered){.next = *at, .ip = *ip, .ifindex = ifindex, .users = 1};
    *at = a;
    f->n++;
}

// ---- requests ----

static bool mac_of(const struct farp *f, int ifindex, uint8_t mac[ARP_MAC_LEN])
{
    struct ifreq r = {0};
    if (!if_indextoname((unsigned)ifindex, r.ifr_name)) return false;
    if (ioctl(f->fd, SIOCGIFHWADDR, &r) != 0 || r.ifr_hwaddr.sa_family != ARPHRD_ETHER)
        return false;
    memcpy(mac, r.ifr_hwaddr.sa_data, ARP_MAC_LEN);
    return true;
}

static void answer(struct farp *f, span_t packet, int ifindex)
{
    struct arp_request r;
    uint8_t mac[ARP_MAC_LEN], out[ARP_LEN];
    if (arp_read(packet, &r) != ERR_OK) return;
    const struct answered *a = *place_of(f, &r.target);
    if (!a || a->ifindex != ifindex || !mac_of(f, ifindex, mac)) return;
    arp_answer(&r, mac, out);
    struct sockaddr_ll to = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ARP),
                             .sll_ifindex = ifindex,
                             .sll_halen = ARP_MAC_LEN};
    memcpy(to.sll_addr, r.mac, ARP_MAC_LEN);
    // What is lost is asked for again.
    (void)sendto(f->fd, out, sizeof out, 0, (struct sockaddr *)&to, sizeof to);
}

static void on_packets(void *ctx, int fd, int events)
{
    struct farp *f = ctx;
    uint8_t packet[ARP_LEN];
    (void)events;
    for (unsigned i = 0; i < BURST_MAX; i++) {
        struct sockaddr_ll from = {0};
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &len);
        if (n < 0) break;
        answer(f, span(packet, (size_t)n), from.sll_ifindex);
    }
}

err_t farp_start(struct iked *d, struct why *why)
{
    struct farp *f = d->farp;
    f->io = loop_io_new(d->loop, f->fd, LOOP_READ, on_packets, f);
    return f->io ? ERR_OK : why_not(why, ERR_NOMEM, "out of memory");
}

// ---- child SAs ----

static bool covers(const struct ts_list *l, const ip_t *ip)
{
    for (unsigned i = 0; i < l->n; i++) {
        const struct ts *t = &l->ts[i];
        if (t->lo.family == ip->family && ip_cmp(ip, &t->lo) >= 0 && ip_cmp(ip, &t->hi) <= 0)
            return true;
    }
    return false;
}

static bool same_net(const struct ifaddrs *i, const ip_t *ip)
{
    const struct sockaddr_in *at = (const struct sockaddr_in *)(const void *)i->ifa_addr;
    const struct sockaddr_in *mask = (const struct sockaddr_in *)(const void *)i->ifa_netmask;
    const uint8_t *a = (const uint8_t *)&at->sin_addr, *m = (const uint8_t *)&mask->sin_addr;
    for (unsigned b = 0; b < 4; b++) {
        if ((a[b] ^ ip->b[b]) & m[b]) return false;
    }
    return true;
}

// The device to whose network the address belongs, if the child protects that network; 0: none, or
// the peer itself is there and answers for itself.
static int device_of(const struct child_sa *c, const ip_t *ip)
{
    struct ifaddrs *all;
    int found = 0;
    endpoint_t e;
    if (ip_eq(ip, &c->sa->remote.ip) || getifaddrs(&all) != 0) return 0;
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
        bool usable = i->ifa_addr && i->ifa_netmask && i->ifa_addr->sa_family == AF_INET &&
                      !(i->ifa_flags & (IFF_LOOPBACK | IFF_NOARP));
        if (!usable ||
            endpoint_from_sockaddr(i->ifa_addr, sizeof(struct sockaddr_in), &e) != ERR_OK)
            continue;
        if (!ip_eq(&e.ip, ip) && same_net(i, ip) && covers(c->local_ts, &e.ip))
            found = (int)if_nametoindex(i->ifa_name);
    }
    freeifaddrs(all);
    return found;
}

void farp_child(struct farp *f, const struct child_sa *c, bool up)
{
    for (unsigned i = 0; i < c->remote_ts->n; i++) {
        const struct ts *t = &c->remote_ts->ts[i];
        if (t->lo.family != AF_INET || !ip_eq(&t->lo, &t->hi)) continue; // a client has one
        struct answered **at = place_of(f, &t->lo);
        int device = *at || !up ? 0 : device_of(c, &t->lo);
        if (device) start(f, &t->lo, device);
        if (device || !*at) continue;
        (*at)->users += up ? 1U : -1U;
        if ((*at)->users == 0) stop(f, at);
    }
}
