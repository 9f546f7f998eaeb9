#include "ike/net/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/natt_share.h"
#include "netlink/bypass.h"

// Bytes of datagrams that wait: of a thousand peers who call at the same moment, as after an
// outage.
#define RECEIVE_BUFFER (4 << 20)

static err_t option_set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0 ? ERR_OK : ERR_SYSTEM;
}

// The class of the last system call's failure, and the sentence.
static err_t sock_failed(struct why *why, const char *what, const endpoint_t *at)
{
    char text[ENDPOINT_TEXT_MAX];
    int e = errno;
    err_t class = e == EACCES || e == EPERM ? ERR_PERMISSION
                  : e == EADDRINUSE         ? ERR_EXISTS
                                            : ERR_SYSTEM;
    return why_not(why, class, "UDP socket %s: %s: %s%s", endpoint_show(at, text), what,
                   strerror(e), e == EADDRINUSE ? " (is another IKE daemon running?)" : "");
}

static err_t family_prepare(int fd, uint16_t family)
{
    if (family == AF_INET6) {
        TRY(option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
        return option_set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    }
    // IKE messages longer than the path allows are better fragmented than lost
    TRY(option_set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT));
    return option_set(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

// Beyond what the host allows to others, where we may; as much as it does, where not.
static void buffer_prepare(int fd)
{
    if (option_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER) == ERR_OK) return;
    IGNORE(option_set(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER)); // the default does, too
}

// Exempts the socket from the host's own IPsec policies (RFC 4301 4.4.1: IKE is bypassed).
static err_t bypass_prepare(int fd, uint16_t family)
{
    err_t e = netlink_bypass(fd, family);
    if (e == ERR_UNSUPPORTED) return ERR_OK;
    if (e != ERR_PERMISSION) return e;
    log_say(LOG_WARN, "net", "no CAP_NET_ADMIN: IPsec policies of the kernel may catch IKE itself");
    return ERR_OK;
}

// Port 4500 belongs to two: the kernel's ESP or pavise-xfrmd takes what has no non-ESP marker.
static err_t natt_prepare(int fd, const struct net_options *opt)
{
    if (!opt->kernel_encap) return natt_share_prepare(fd);
    return option_set(fd, IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP);
}

static err_t sock_prepare(int fd, const struct net_options *opt, bool natt, const endpoint_t *at,
                          struct why *why)
{
    uint16_t family = at->ip.family;
    buffer_prepare(fd);
    if (family_prepare(fd, family) != ERR_OK) return sock_failed(why, "packet information", at);
    if (opt->fwmark && option_set(fd, SOL_SOCKET, SO_MARK, (int)opt->fwmark) != ERR_OK) {
        return sock_failed(why, "firewall mark", at);
    }
    if (bypass_prepare(fd, family) != ERR_OK) return sock_failed(why, "IPsec bypass", at);
    if (natt && natt_prepare(fd, opt) != ERR_OK) {
        return sock_failed(why, opt->kernel_encap ? "UDP encapsulation" : "port sharing", at);
    }
    return ERR_OK;
}

static err_t sock_bind(int fd, const struct net_options *opt, bool natt, const endpoint_t *at,
                       struct why *why)
{
    struct sockaddr_storage sa;
    socklen_t len = endpoint_to_sockaddr(at, &sa);
    if (bind(fd, (const struct sockaddr *)&sa, len) != 0) return sock_failed(why, "bind", at);
    if (!natt || opt->kernel_encap) return ERR_OK;
    if (natt_share_attach(fd, true) != ERR_OK) return sock_failed(why, "port sharing", at);
    return ERR_OK;
}

err_t sock_open(const struct net_options *opt, uint16_t family, bool natt, int *fd, struct why *why)
{
    endpoint_t at = {family == AF_INET6 ? opt->bind6 : opt->bind4,
                     natt ? opt->natt_port : opt->port};
    at.ip.family = family;
    int s = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0 && errno == EAFNOSUPPORT) return ERR_UNSUPPORTED;
    if (s < 0) return sock_failed(why, "socket", &at);
    err_t e = sock_prepare(s, opt, natt, &at, why);
    if (e == ERR_OK) e = sock_bind(s, opt, natt, &at, why);
    if (e != ERR_OK) {
        (void)close(s);
        return e;
    }
    *fd = s;
    return ERR_OK;
}

// The address a datagram was sent to, from its control messages.
static ip_t destination_of(struct msghdr *m)
{
    ip_t to = {.family = AF_UNSPEC};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            to = ip_from(AF_INET, &info.ipi_addr);
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            to = ip_from(AF_INET6, &info.ipi6_addr);
        }
    }
    return to;
}

err_t sock_receive(int fd, uint8_t *buf, size_t cap, size_t *len, endpoint_t *from, ip_t *to)
{
    struct sockaddr_storage sa;
    _Alignas(struct cmsghdr) uint8_t control[SOCK_CONTROL_LEN];
    struct iovec iov = {buf, cap};
    struct msghdr m = {.msg_name = &sa,
                       .msg_namelen = sizeof sa,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &m, 0);
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_SYSTEM;
    if (m.msg_flags & MSG_TRUNC) return ERR_SYSTEM;
    TRY(endpoint_from_sockaddr(&sa, m.msg_namelen, from));
    *to = destination_of(&m);
    *len = (size_t)n;
    return ERR_OK;
}

// Writes the control message that sets the source address; returns its room, 0 for none.
static size_t source_set(struct msghdr *m, const ip_t *from)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    if (from->family == AF_INET) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, from->b, 4);
        *c = (struct cmsghdr){CMSG_LEN(sizeof info), IPPROTO_IP, IP_PKTINFO};
        memcpy(CMSG_DATA(c), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    if (from->family == AF_INET6) {
        struct in6_pktinfo info = {0};
        memcpy(&info.ipi6_addr, from->b, 16);
        *c = (struct cmsghdr){CMSG_LEN(sizeof info), IPPROTO_IPV6, IPV6_PKTINFO};
        memcpy(CMSG_DATA(c), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    return 0;
}

// The traffic class, behind what stands at `used`; returns its room, 0 for none.
static size_t class_set(struct msghdr *m, size_t used, const struct datagram *d)
{
    int tos = d->dscp << 2;
    struct cmsghdr *c = (struct cmsghdr *)(void *)((uint8_t *)m->msg_control + used);
    bool v4 = d->to.ip.family == AF_INET;
    if (!tos) return 0;
    *c = (struct cmsghdr){CMSG_LEN(sizeof tos), v4 ? IPPROTO_IP : IPPROTO_IPV6,
                          v4 ? IP_TOS : IPV6_TCLASS};
    memcpy(CMSG_DATA(c), &tos, sizeof tos);
    return CMSG_SPACE(sizeof tos);
}

err_t sock_send(int fd, const struct datagram *d, const span_t parts[2])
{
    struct sockaddr_storage sa;
    _Alignas(struct cmsghdr) uint8_t control[SOCK_CONTROL_LEN] = {0};
    struct iovec iov[2];
    for (unsigned i = 0; i < 2; i++) {
        // sendmsg() only reads, whatever the type of iov_base says
        memcpy(&iov[i].iov_base, &parts[i].at, sizeof iov[i].iov_base);
        iov[i].iov_len = parts[i].len;
    }
    struct msghdr m = {.msg_name = &sa,
                       .msg_namelen = endpoint_to_sockaddr(&d->to, &sa),
                       .msg_iov = iov,
                       .msg_iovlen = 2,
                       .msg_control = control,
                       .msg_controllen = sizeof control};
    size_t used = source_set(&m, &d->from.ip);
    m.msg_controllen = used + class_set(&m, used, d);
    return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? ERR_SYSTEM : ERR_OK;
}

err_t sock_source_for(const ip_t *peer, uint32_t fwmark, ip_t *out)
{
    const endpoint_t to = {*peer, NET_PORT};
    struct sockaddr_storage sa;
    socklen_t len = endpoint_to_sockaddr(&to, &sa);
    endpoint_t us;
    int fd = socket(peer->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return ERR_SYSTEM;
    err_t e = fwmark ? option_set(fd, SOL_SOCKET, SO_MARK, (int)fwmark) : ERR_OK;
    // connect() of a UDP socket sends nothing: it only asks the routes; and the host's IPsec
    // policies, which for two hosts are about this very way
    if (e == ERR_OK) e = bypass_prepare(fd, peer->family);
    if (e == ERR_OK && connect(fd, (const struct sockaddr *)&sa, len) != 0) e = ERR_SYSTEM;
    len = sizeof sa;
    if (e == ERR_OK && getsockname(fd, (struct sockaddr *)&sa, &len) != 0) e = ERR_SYSTEM;
    if (e == ERR_OK) e = endpoint_from_sockaddr(&sa, len, &us);
    (void)close(fd);
    if (e == ERR_OK) *out = us.ip;
    return e;
}
