#include "xfrm/port/head6.h"

#include <netinet/in.h>
#include <string.h>

#include "xfrm/path/ip_head.h"

bool head6_ask(int fd)
{
    static const int options[] = {IPV6_RECVHOPOPTS, IPV6_RECVDSTOPTS, IPV6_RECVRTHDR};
    const int on = 1;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (setsockopt(fd, IPPROTO_IPV6, options[i], &on, sizeof on) != 0) return false;
    }
    return true;
}

// The protocol number of the extension header in this message; -1: it has none.
static int kind_of(const struct cmsghdr *c)
{
    if (c->cmsg_level != IPPROTO_IPV6) return -1;
    switch (c->cmsg_type) {
    case IPV6_HOPOPTS:
        return IPPROTO_HOPOPTS;
    case IPV6_DSTOPTS:
        return IPPROTO_DSTOPTS;
    case IPV6_RTHDR:
        return IPPROTO_ROUTING;
    default:
        return -1;
    }
}

// Collects the extension headers, which come in their order, at `to`. Returns their bytes;
// UINT32_MAX: too many. *first: what the first of them is.
static uint32_t collect(struct msghdr *h, uint8_t *to, uint32_t room, uint8_t *first)
{
    uint32_t used = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        int kind = kind_of(c);
        if (kind < 0) continue;
        size_t n = c->cmsg_len - CMSG_LEN(0);
        if (n > room - used) return UINT32_MAX;
        if (used == 0) *first = (uint8_t)kind;
        memcpy(to + used, CMSG_DATA(c), n);
        used += (uint32_t)n;
    }
    return used;
}

static bool holds_together(const struct pkt *p, uint8_t protocol)
{
    struct ip_split s;
    return ip_split(p->head, p->head_len, true, &s) && s.len == p->head_len && s.next == protocol;
}

void head6_restore(struct msghdr *h, struct pkt *p, uint8_t protocol)
{
    uint8_t extensions[IP_HEAD_MAX - IP6_HEADER], first = 0;
    uint32_t n = collect(h, extensions, sizeof extensions, &first);
    if (h->msg_flags & MSG_CTRUNC || n == UINT32_MAX) {
        p->len = 0;
        return;
    }
    if (n == 0) return;
    const struct ip_wanted w = {.src = p->from.ip,
                                .dst = p->to.ip,
                                .tos = p->outer_tos,
                                .ttl = p->outer_ttl,
                                .label = p->outer_label,
                                .next = first,
                                .payload = n + p->len};
    p->head_len = IP6_HEADER + n;
    p->head = p->at - p->head_len;
    (void)ip_head_make(p->head, &w);
    memcpy(p->head + IP6_HEADER, extensions, n);
    if (!holds_together(p, protocol)) p->len = 0;
}
