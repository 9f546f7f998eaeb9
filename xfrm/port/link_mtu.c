#include "xfrm/port/link_mtu.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX 4096 // bytes of a route
#define MTU_MAX UINT16_MAX

struct link_mtu {
    int netlink, ioctl;
    uint32_t fwmark, seq;
};

struct ask {
    struct nlmsghdr head;
    struct rtmsg route;
    uint8_t attributes[64];
};

struct route {
    uint32_t device, mtu; // 0: not said
};

err_t link_mtu_new(uint32_t fwmark, struct link_mtu **out, struct why *why)
{
    struct link_mtu *l = calloc(1, sizeof *l);
    if (!l) return why_not(why, ERR_NOMEM, "out of memory");
    l->fwmark = fwmark;
    l->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    l->ioctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (l->netlink >= 0 && l->ioctl >= 0) {
        *out = l;
        return ERR_OK;
    }
    int e = errno;
    link_mtu_free(l);
    return why_not(why, ERR_SYSTEM, "cannot ask for routes: %s", strerror(e));
}

void link_mtu_free(struct link_mtu *l)
{
    if (!l) return;
    if (l->netlink >= 0) (void)close(l->netlink);
    if (l->ioctl >= 0) (void)close(l->ioctl);
    free(l);
}

static void add(struct ask *a, uint16_t type, const void *data, uint16_t len)
{
    uint8_t *at = (uint8_t *)a + a->head.nlmsg_len;
    const struct rtattr attribute = {(uint16_t)RTA_LENGTH(len), type};
    memcpy(at, &attribute, sizeof attribute);
    memcpy(at + RTA_LENGTH(0), data, len);
    a->head.nlmsg_len += (uint32_t)RTA_SPACE(len);
}

static bool ask(struct link_mtu *l, unsigned flags, const ip_t *dst, const ip_t *src)
{
    uint8_t len = (uint8_t)ip_len(dst->family);
    struct ask a = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof a.route),
                 .nlmsg_type = RTM_GETROUTE,
                 .nlmsg_flags = NLM_F_REQUEST,
                 .nlmsg_seq = ++l->seq},
        .route = {.rtm_family = (uint8_t)dst->family,
                  .rtm_dst_len = (uint8_t)(len * 8),
                  .rtm_flags = flags},
    };
    add(&a, RTA_DST, dst->b, len);
    if (l->fwmark) add(&a, RTA_MARK, &l->fwmark, sizeof l->fwmark);
    if (src->family == dst->family && !ip_is_any(src)) {
        a.route.rtm_src_len = (uint8_t)(len * 8);
        add(&a, RTA_SRC, src->b, len);
    }
    return send(l->netlink, &a, a.head.nlmsg_len, 0) == (ssize_t)a.head.nlmsg_len;
}

static uint32_t u32_of(const struct rtattr *a)
{
    uint32_t v = 0;
    if (a && RTA_PAYLOAD(a) >= sizeof v) memcpy(&v, (const uint8_t *)a + RTA_LENGTH(0), sizeof v);
    return v;
}

// The attribute of this type among `left` bytes of them, or NULL.
static struct rtattr *find(void *at, size_t left, uint16_t type)
{
    struct rtattr *a = at;
    while (left >= sizeof *a && a->rta_len >= sizeof *a && a->rta_len <= left) {
        if (a->rta_type == type) return a;
        size_t size = RTA_ALIGN((size_t)a->rta_len);
        if (size > left) break;
        left -= size;
        a = (struct rtattr *)((uint8_t *)a + size);
    }
    return NULL;
}

// Of several ways the first will do: those of one destination rarely differ in this.
static uint32_t first_hop_device(struct rtattr *hops)
{
    struct rtnexthop hop;
    if (!hops || RTA_PAYLOAD(hops) < sizeof hop) return 0;
    memcpy(&hop, RTA_DATA(hops), sizeof hop);
    return (uint32_t)hop.rtnh_ifindex;
}

static void read_route(struct nlmsghdr *h, struct route *r)
{
    void *at = RTM_RTA(NLMSG_DATA(h));
    size_t left = RTM_PAYLOAD(h);
    struct rtattr *metrics = find(at, left, RTA_METRICS);
    r->device = u32_of(find(at, left, RTA_OIF));
    if (!r->device) r->device = first_hop_device(find(at, left, RTA_MULTIPATH));
    if (metrics) r->mtu = u32_of(find(RTA_DATA(metrics), RTA_PAYLOAD(metrics), RTAX_MTU));
}

// The kernel has answered before send() came back. Answers to questions that went wrong before are
// passed over.
static bool answer(const struct link_mtu *l, struct route *r)
{
    _Alignas(struct nlmsghdr) uint8_t buf[ANSWER_MAX];
    for (;;) {
        ssize_t n = recv(l->netlink, buf, sizeof buf, MSG_DONTWAIT);
        struct nlmsghdr *h = (struct nlmsghdr *)buf;
        if (n <= 0) return false;
        if (!NLMSG_OK(h, (uint32_t)n) || h->nlmsg_seq != l->seq) continue;
        if (h->nlmsg_type != RTM_NEWROUTE) return false;
        read_route(h, r);
        return r->device != 0;
    }
}

static uint32_t device_mtu(const struct link_mtu *l, uint32_t device)
{
    struct ifreq req = {.ifr_ifindex = (int)device};
    if (ioctl(l->ioctl, SIOCGIFNAME, &req) != 0 || ioctl(l->ioctl, SIOCGIFMTU, &req) != 0) return 0;
    return req.ifr_mtu > 0 ? (uint32_t)req.ifr_mtu : 0;
}

uint32_t link_mtu_ask(struct link_mtu *l, const ip_t *dst, const ip_t *src)
{
    struct route r = {0};
    // the route as it was configured, without what was learned for this destination
    if (!ask(l, RTM_F_FIB_MATCH, dst, src) || !answer(l, &r)) return 0;
    uint32_t mtu = device_mtu(l, r.device);
    if (r.mtu && (!mtu || r.mtu < mtu)) mtu = r.mtu;
    return mtu > MTU_MAX ? MTU_MAX : mtu;
}

uint32_t link_mtu_device(struct link_mtu *l, const ip_t *dst, const ip_t *src)
{
    struct route r = {0};
    // Of IPv4 the kernel does not say how what has another host's address leaves. So it is asked
    // without, and rules for source addresses have no say.
    bool known = (ask(l, 0, dst, src) && answer(l, &r)) ||
                 (ask(l, 0, dst, &(ip_t){.family = 0}) && answer(l, &r));
    return known ? r.device : 0;
}
