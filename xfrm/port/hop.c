#include "xfrm/port/hop.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/order.h"

#define SETS 512
#define WAYS 4 // entries of a set
#define ANSWER_MAX 4096
#define SLICE (NSEC_PER_SEC / 100) // over which questions are counted
#define MAC 6
#define USABLE (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

struct question {
    ip_t dst, src;
    enum hop_way way;
};

struct hops {
    struct hops_conf conf;
    uint8_t mac[HOP_WAYS][MAC];
    int netlink, ioctl;
    uint32_t seq;
    uint64_t slice; // when the present one began
    unsigned asked; // in it
    unsigned waiting;
    struct question question[HOPS_WAITING];
    const struct hop *last[HOP_WAYS];
    struct hop entry[SETS][WAYS];
};

// ---- the cache ----

static uint64_t words(const ip_t *a)
{
    uint64_t w[2];
    memcpy(w, a->b, sizeof w);
    return w[0] * 0x9e3779b97f4a7c15U + (w[1] ^ a->family) * 0xc2b2ae3d27d4eb4fU;
}

// No secret in it: who makes its entries collide slows down nobody but those of one set.
static struct hop *set_of(struct hops *h, const struct question *q)
{
    uint64_t x = words(&q->dst) ^ words(&q->src) * 31 ^ q->way;
    return h->entry[(x ^ x >> 29) * 0xff51afd7ed558ccdU >> 32 & (SETS - 1)];
}

static bool is(const struct hop *e, const struct question *q)
{
    return e->asked && e->way == q->way && ip_eq(&e->dst, &q->dst) && ip_eq(&e->src, &q->src);
}

static struct hop *lookup(struct hops *h, const struct question *q)
{
    struct hop *set = set_of(h, q);
    for (unsigned i = 0; i < WAYS; i++) {
        if (is(&set[i], q)) return &set[i];
    }
    return NULL;
}

static void want(struct hops *h, const struct question *q)
{
    for (unsigned i = 0; i < h->waiting; i++) {
        const struct question *w = &h->question[i];
        if (w->way == q->way && ip_eq(&w->dst, &q->dst) && ip_eq(&w->src, &q->src)) return;
    }
    if (h->waiting < HOPS_WAITING) h->question[h->waiting++] = *q;
}

const struct hop *hops_find(struct hops *h, enum hop_way way, const ip_t *dst, const ip_t *src,
                            uint64_t now)
{
    const struct question q = {*dst, *src, way};
    const struct hop *e = h->last[way]; // neighbours of a burst go the same way
    if (h->conf.device[way] == 0) return NULL;
    if (!e || !is(e, &q)) e = lookup(h, &q);
    if (!e || now - e->asked > HOP_FRESH) want(h, &q);
    if (!e || now - e->asked > HOP_STALE) return NULL;
    h->last[way] = e;
    return e->known ? e : NULL;
}

// ---- netlink ----

struct ask {
    struct nlmsghdr head;
    union {
        struct rtmsg route;
        struct ndmsg neighbour;
    };
    uint8_t attributes[64];
};

static void add(struct ask *a, uint16_t type, const void *data, size_t len)
{
    uint8_t *at = (uint8_t *)a + a->head.nlmsg_len;
    const struct rtattr attribute = {(uint16_t)RTA_LENGTH(len), type};
    memcpy(at, &attribute, sizeof attribute);
    memcpy(at + RTA_LENGTH(0), data, len);
    a->head.nlmsg_len += (uint32_t)RTA_SPACE(len);
}

static struct ask question(struct hops *h, uint16_t type, uint16_t flags, size_t payload)
{
    return (struct ask){.head = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(payload),
                                 .nlmsg_type = type,
                                 .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
                                 .nlmsg_seq = ++h->seq}};
}

// The answer lies in buf then: the kernel has it ready before send() comes back.
static bool talk(const struct hops *h, const struct ask *a, uint16_t wanted, void *buf)
{
    if (send(h->netlink, a, a->head.nlmsg_len, 0) != (ssize_t)a->head.nlmsg_len) return false;
    for (;;) {
        ssize_t n = recv(h->netlink, buf, ANSWER_MAX, MSG_DONTWAIT);
        const struct nlmsghdr *head = buf;
        if (n <= 0) return false;
        if (NLMSG_OK(head, (uint32_t)n) && head->nlmsg_seq == a->head.nlmsg_seq)
            return head->nlmsg_type == wanted;
    }
}

// The payload of an attribute of at least `least` bytes among `left` bytes of them, or NULL.
static const uint8_t *find(const uint8_t *at, size_t left, uint16_t type, size_t least)
{
    struct rtattr a;
    while (left >= sizeof a) {
        memcpy(&a, at, sizeof a);
        if (a.rta_len < sizeof a || a.rta_len > left) return NULL;
        if (a.rta_type == type) return a.rta_len - sizeof a >= least ? at + sizeof a : NULL;
        size_t size = RTA_ALIGN((size_t)a.rta_len);
        if (size > left) return NULL;
        at += size;
        left -= size;
    }
    return NULL;
}

struct answer { // what stands behind a message's own head
    const uint8_t *at;
    size_t left;
};

static struct answer behind(const uint8_t *buf, size_t head)
{
    struct nlmsghdr h;
    memcpy(&h, buf, sizeof h);
    const size_t begin = NLMSG_SPACE(head);
    return h.nlmsg_len < begin ? (struct answer){buf, 0}
                               : (struct answer){buf + begin, h.nlmsg_len - begin};
}

static uint32_t u32_of(struct answer a, uint16_t type)
{
    uint32_t v = 0;
    const uint8_t *at = find(a.at, a.left, type, sizeof v);
    if (at) memcpy(&v, at, sizeof v);
    return v;
}

// ---- the two questions ----

static bool add_origin(struct hops *h, struct ask *a, const struct question *q)
{
    const bool any = ip_is_any(&q->src);
    if (!any && q->src.family != q->dst.family) return false;
    if (!any) {
        a->route.rtm_src_len = (uint8_t)ip_bits(q->src.family);
        add(a, RTA_SRC, q->src.b, ip_len(q->src.family));
    }
    if (q->way == HOP_IN) add(a, RTA_IIF, &h->conf.tun, sizeof h->conf.tun);
    if (q->way == HOP_OUT && h->conf.fwmark)
        add(a, RTA_MARK, &h->conf.fwmark, sizeof h->conf.fwmark);
    return true;
}

// The gateway, or the destination itself; and what the route says about MTU, if anything.
static bool ask_route(struct hops *h, const struct question *q, ip_t *via, uint32_t *mtu)
{
    _Alignas(struct nlmsghdr) uint8_t buf[ANSWER_MAX];
    struct rtmsg route;
    struct ask a = question(h, RTM_GETROUTE, 0, sizeof a.route);
    a.route = (struct rtmsg){.rtm_family = (uint8_t)q->dst.family,
                             .rtm_dst_len = (uint8_t)ip_bits(q->dst.family)};
    add(&a, RTA_DST, q->dst.b, ip_len(q->dst.family));
    if (!add_origin(h, &a, q) || !talk(h, &a, RTM_NEWROUTE, buf)) return false;
    memcpy(&route, buf + NLMSG_LENGTH(0), sizeof route);
    const struct answer got = behind(buf, sizeof route);
    if (route.rtm_type != RTN_UNICAST || u32_of(got, RTA_OIF) != h->conf.device[q->way])
        return false;
    if (find(got.at, got.left, RTA_VIA, 0)) return false; // a gateway of the other family
    const uint8_t *gateway = find(got.at, got.left, RTA_GATEWAY, ip_len(q->dst.family));
    *via = gateway ? ip_from(q->dst.family, gateway) : q->dst;
    const uint8_t *metrics = find(got.at, got.left, RTA_METRICS, sizeof(struct rtattr));
    if (metrics) {
        struct rtattr whole;
        memcpy(&whole, metrics - sizeof whole, sizeof whole);
        *mtu = u32_of((struct answer){metrics, whole.rta_len - sizeof whole}, RTAX_MTU);
    }
    return true;
}

static struct ask about_neighbour(struct hops *h, uint16_t type, uint16_t flags,
                                  const struct question *q, const ip_t *via)
{
    struct ask a = question(h, type, flags, sizeof a.neighbour);
    a.neighbour = (struct ndmsg){.ndm_family = (uint8_t)via->family,
                                 .ndm_ifindex = (int)h->conf.device[q->way]};
    add(&a, NDA_DST, via->b, ip_len(via->family));
    return a;
}

static bool ask_neighbour(struct hops *h, const struct question *q, const ip_t *via, uint8_t *mac)
{
    _Alignas(struct nlmsghdr) uint8_t buf[ANSWER_MAX];
    struct ndmsg neighbour;
    // "in use": it is resolved, or its reachability confirmed, as if the kernel had sent to it
    struct ask use = about_neighbour(h, RTM_NEWNEIGH, NLM_F_CREATE, q, via);
    use.neighbour.ndm_flags = NTF_USE;
    use.neighbour.ndm_state = NUD_NONE;
    (void)send(h->netlink, &use, use.head.nlmsg_len, 0);
    struct ask a = about_neighbour(h, RTM_GETNEIGH, 0, q, via);
    if (!talk(h, &a, RTM_NEWNEIGH, buf)) return false;
    memcpy(&neighbour, buf + NLMSG_LENGTH(0), sizeof neighbour);
    const struct answer got = behind(buf, sizeof neighbour);
    const uint8_t *address = find(got.at, got.left, NDA_LLADDR, MAC);
    if (!(neighbour.ndm_state & USABLE) || !address) return false;
    memcpy(mac, address, MAC);
    return true;
}

static uint32_t device_mtu(const struct hops *h, uint32_t device)
{
    struct ifreq req = {.ifr_ifindex = (int)device};
    if (ioctl(h->ioctl, SIOCGIFNAME, &req) != 0 || ioctl(h->ioctl, SIOCGIFMTU, &req) != 0) return 0;
    return req.ifr_mtu > 0 ? (uint32_t)req.ifr_mtu : 0;
}

static void resolve(struct hops *h, const struct question *q, struct hop *e)
{
    ip_t via;
    uint32_t mtu = 0;
    e->known = false;
    if (!ask_route(h, q, &via, &mtu) || !ask_neighbour(h, q, &via, e->ether)) return;
    e->mtu = device_mtu(h, h->conf.device[q->way]);
    if (mtu && mtu < e->mtu) e->mtu = mtu;
    if (e->mtu > HOP_MTU_MAX) e->mtu = HOP_MTU_MAX;
    memcpy(e->ether + MAC, h->mac[q->way], MAC);
    put16(e->ether + 2 * MAC, q->dst.family == AF_INET6 ? 0x86dd : 0x0800);
    e->known = true;
}

// An entry of its own, or the one of its set that was asked for longest ago.
static struct hop *place(struct hops *h, const struct question *q)
{
    struct hop *set = set_of(h, q), *e = lookup(h, q);
    for (unsigned i = 0; !e && i < WAYS; i++) {
        if (!set[i].asked) e = &set[i];
    }
    if (e) return e;
    e = &set[0];
    for (unsigned i = 1; i < WAYS; i++) {
        if (set[i].asked < e->asked) e = &set[i];
    }
    return e;
}

void hops_ask(struct hops *h, uint64_t now)
{
    if (!h->waiting) return;
    if (now - h->slice >= SLICE) {
        h->slice = now;
        h->asked = 0;
    }
    for (unsigned i = 0; i < h->waiting && h->asked < HOPS_PER_SECOND / 100; i++) {
        const struct question *q = &h->question[i];
        struct hop *e = place(h, q);
        resolve(h, q, e);
        e->dst = q->dst;
        e->src = q->src;
        e->way = (uint8_t)q->way;
        e->asked = now;
        h->asked++;
    }
    h->waiting = 0;
    memset(h->last, 0, sizeof h->last);
}

// ---- making one ----

err_t hops_new(const struct hops_conf *conf, struct hops **out, struct why *why)
{
    struct hops *h = calloc(1, sizeof *h);
    if (!h) return why_not(why, ERR_NOMEM, "out of memory");
    h->conf = *conf;
    for (int i = 0; i < HOP_WAYS; i++) {
        if (conf->mac[i]) memcpy(h->mac[i], conf->mac[i], MAC);
    }
    h->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    h->ioctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (h->netlink >= 0 && h->ioctl >= 0) {
        *out = h;
        return ERR_OK;
    }
    int e = errno;
    hops_free(h);
    return why_not(why, ERR_SYSTEM, "cannot ask for next hops: %s", strerror(e));
}

void hops_free(struct hops *h)
{
    if (!h) return;
    if (h->netlink >= 0) (void)close(h->netlink);
    if (h->ioctl >= 0) (void)close(h->ioctl);
    free(h);
}
