// preload_natt.c - what an IKE daemon tells its kernel about its UDP sockets, told to pavise-xfrmd.
//
// Port 4500 carries IKE and ESP. The program's socket is put into one SO_REUSEPORT group with
// pavise-xfrmd's (base/natt_share.h), so that IKE comes here and ESP there. A group is one address
// and port. The socket for all addresses meets the one that pavise-xfrmd has anyway; of one that is
// bound to a single address pavise-xfrmd is told (WIRE_LEND), and makes one beside it. It keeps
// that one as long as the connection over which it was told.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/xfrm.h>

#include "base/natt_share.h"
#include "netlink/preload.h"

#define SHARED_MAX 64   // sockets: addresses of one host
#define LINK_FD_MIN 700 // the connection stays out of the way of programs that count on numbers

struct shared {
    bool used;
    int fd;
    unsigned long inode;
    pid_t owner; // a child that closes its copy of the socket takes nothing back
    struct wire_lend lend;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of all below
static struct shared shared[SHARED_MAX];
static int link_fd = -1;
static unsigned long link_inode;

static unsigned long number(const char *variable, unsigned long fallback)
{
    const char *s = secure_getenv(variable);
    unsigned long n = s ? strtoul(s, NULL, 0) : 0;
    return n ? n : fallback;
}

// ---- the connection ----

static bool link_alive(void)
{
    char byte;
    if (link_fd < 0 || table_inode(link_fd) != link_inode) return false;
    ssize_t n = REAL(recv)(link_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

static void link_close(void)
{
    if (link_fd >= 0 && table_inode(link_fd) == link_inode) (void)REAL(close)(link_fd);
    link_fd = -1;
}

static bool link_make(void)
{
    const struct entry nobody = {.portid = 0};
    link_close();
    int fd = link_connect(&nobody);
    if (fd < 0) return false;
    link_fd = REAL(fcntl)(fd, F_DUPFD_CLOEXEC, LINK_FD_MIN);
    if (link_fd < 0) link_fd = REAL(fcntl)(fd, F_DUPFD_CLOEXEC, 3);
    (void)REAL(close)(fd);
    link_inode = link_fd >= 0 ? table_inode(link_fd) : 0;
    return link_fd >= 0;
}

static void tell(const struct shared *s)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    int error = link_ask(link_fd, &s->lend, sizeof s->lend);
    if (!error || atomic_flag_test_and_set(&said)) return;
    preload_say("pavise-xfrmd cannot receive ESP in UDP at an address of this program",
                strerror(error));
}

static bool is_for_all(const struct wire_lend *l)
{
    static const uint8_t any[sizeof l->addr];
    return memcmp(l->addr, any, sizeof any) == 0;
}

static bool is_single(const struct shared *s)
{
    // Link-local addresses are for the link's own business.
    bool local = s->lend.family == AF_INET6 && s->lend.addr[0] == 0xfe;
    return s->used && !local && !is_for_all(&s->lend);
}

static void tell_all(void)
{
    if (!link_make()) return;
    for (unsigned i = 0; i < SHARED_MAX; i++) {
        struct shared *s = &shared[i];
        s->used = s->used && table_inode(s->fd) == s->inode; // closed behind our back
        if (is_single(s)) tell(s);
    }
}

static void tell_of(const struct shared *s)
{
    if (link_alive()) {
        tell(s);
    } else {
        tell_all();
    }
}

void natt_again(void)
{
    int before = errno;
    // Held: we are here on behalf of ourselves, or another thread does this.
    if (pthread_mutex_trylock(&lock) != 0) return;
    unsigned i = 0;
    while (i < SHARED_MAX && !is_single(&shared[i])) i++;
    if (i < SHARED_MAX && !link_alive()) tell_all();
    (void)pthread_mutex_unlock(&lock);
    errno = before;
}

// ---- sockets ----

static bool is_udp(int fd)
{
    int type = 0;
    socklen_t n = sizeof type;
    return REAL(getsockopt)(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_DGRAM;
}

// Address and port of a bind(), as wire.h wants them. false: no Internet address.
static bool read_address(const struct sockaddr *at, socklen_t len, struct wire_lend *out)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)at;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)at;
    *out = wire_lend(true);
    if (!at || len < sizeof at->sa_family) return false;
    out->family = at->sa_family;
    if (at->sa_family == AF_INET && len >= sizeof *v4) {
        out->port = ntohs(v4->sin_port);
        memcpy(out->addr, &v4->sin_addr, sizeof v4->sin_addr);
        return true;
    }
    if (at->sa_family != AF_INET6 || len < sizeof *v6) return false;
    out->port = ntohs(v6->sin6_port);
    memcpy(out->addr, &v6->sin6_addr, sizeof v6->sin6_addr);
    return true;
}

bool natt_wants(int fd, const struct sockaddr *at, socklen_t len)
{
    struct wire_lend lend;
    return read_address(at, len, &lend) &&
           lend.port == number("PAVISE_NATT_PORT", WIRE_NATT_PORT) && is_udp(fd);
}

static struct shared *find(int fd)
{
    for (unsigned i = 0; i < SHARED_MAX; i++) {
        if (shared[i].used && shared[i].fd == fd) return &shared[i];
    }
    return NULL;
}

static void remember(int fd, const struct wire_lend *lend)
{
    unsigned i = 0;
    (void)pthread_mutex_lock(&lock);
    struct shared *stale = find(fd);
    if (stale) stale->used = false;
    while (i < SHARED_MAX && shared[i].used) i++;
    if (i < SHARED_MAX) {
        shared[i] = (struct shared){true, fd, table_inode(fd), getpid(), *lend};
        // For all addresses pavise-xfrmd has a socket anyway.
        if (is_single(&shared[i])) tell_of(&shared[i]);
    }
    (void)pthread_mutex_unlock(&lock);
}

int natt_bind(int fd, const struct sockaddr *at, socklen_t len)
{
    struct wire_lend lend = {0};
    int error = natt_share_prepare(fd) == ERR_OK ? 0 : errno;
    // First pavise-xfrmd's: there is no moment in which ESP would find this socket only.
    if (!error && read_address(at, len, &lend)) remember(fd, &lend);
    if (REAL(bind)(fd, at, len) != 0) {
        natt_forget(fd);
        return -1;
    }
    err_t shared_now =
        is_for_all(&lend) ? natt_share_attach(fd, true) : natt_share_attach_ike(fd, 1);
    if (!error && shared_now != ERR_OK) error = errno;
    if (error) {
        preload_say("this program's UDP port cannot be shared with pavise-xfrmd", strerror(error));
    }
    return 0;
}

void natt_forget(int fd)
{
    int before = errno;
    // Not waited for: this may be a child between fork and exec, and the holder in its parent.
    if (pthread_mutex_trylock(&lock) != 0) return;
    struct shared *s = find(fd);
    if (s && s->inode == table_inode(fd) && s->owner == getpid()) {
        bool single = is_single(s);
        s->lend.on = 0;
        if (single && link_alive()) tell(s);
    }
    if (s) s->used = false;
    (void)pthread_mutex_unlock(&lock);
    errno = before;
}

// ---- options ----

static bool is_shared(int fd)
{
    (void)pthread_mutex_lock(&lock);
    const struct shared *s = find(fd);
    bool yes = s && s->inode == table_inode(fd);
    (void)pthread_mutex_unlock(&lock);
    return yes;
}

// What a socket that is exempt from policies sends must not be led to pavise-xfrmd either.
static void mark(int fd)
{
    unsigned now = 0, ours = (unsigned)number("PAVISE_FWMARK", WIRE_FWMARK);
    socklen_t n = sizeof now;
    // A program that marks its packets itself has its reasons.
    if (REAL(getsockopt)(fd, SOL_SOCKET, SO_MARK, &now, &n) != 0 || now) return;
    (void)REAL(setsockopt)(fd, SOL_SOCKET, SO_MARK, &ours, sizeof ours);
}

static bool is_exemption(int level, int option, const void *value, socklen_t len)
{
    struct xfrm_userpolicy_info policy;
    bool v4 = level == IPPROTO_IP && option == IP_XFRM_POLICY;
    bool v6 = level == IPPROTO_IPV6 && option == IPV6_XFRM_POLICY;
    if ((!v4 && !v6) || !value || len < sizeof policy) return false;
    memcpy(&policy, value, sizeof policy);
    return policy.action == XFRM_POLICY_ALLOW && policy.dir == XFRM_POLICY_OUT &&
           len < sizeof policy + sizeof(struct xfrm_user_tmpl);
}

bool natt_option(int fd, int level, int option, const void *value, socklen_t len, int *result)
{
    if (level == IPPROTO_UDP && option == UDP_ENCAP && is_shared(fd)) {
        *result = 0; // ESP goes to pavise-xfrmd, and the kernel's own ESP is kept out of it
        return true;
    }
    if (!is_exemption(level, option, value, len)) return false;
    mark(fd);
    *result = REAL(setsockopt)(fd, level, option, value, len);
    // A kernel without XFRM has no policies to be exempt from.
    if (*result != 0 && (errno == ENOPROTOOPT || errno == EOPNOTSUPP)) *result = 0;
    return true;
}
