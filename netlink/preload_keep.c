// preload_keep.c - a kernel does not restart without its programs; pavise-xfrmd may. Then a program
// would go on believing in policies and SAs that are gone. So what it has asked for is remembered,
// and a new pavise-xfrmd, known by its process id, is told of it:
//
//     policies   are put in place again as they were
//     SAs        are not: numbers of packets went with the old one, and no number may be used twice
//                under one key (RFC 4303 3.3.3). The program hears that their soft lifetime is
//                over, by an EXPIRE of its own, and agrees with its peer on new ones.
//
// No key is remembered. The lists are as long as a program's own ones, within limits.
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/xfrm.h>

#include "netlink/preload.h"

#define POLICIES_MAX 4096   // beyond that they are not remembered; each costs about 400 bytes
#define SAS_MAX 4096        // the same, 250 bytes each
#define POLICY_LEN_MAX 2048 // bytes of one request; the largest has 6 templates and a label

struct policy {
    struct policy *next;
    uint32_t n;
    alignas(8) uint8_t message[]; // XFRM_MSG_UPDPOLICY
};

struct sa {
    struct sa *next;
    struct xfrm_usersa_info info;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of all below
static struct policy *policies;
static struct sa *sas;
static unsigned policy_count, sa_count;
static pid_t told; // the pavise-xfrmd that knows all this; 0: none yet

// ---- reading requests ----

static size_t head_size(uint16_t type)
{
    switch (type) {
    case XFRM_MSG_NEWPOLICY:
    case XFRM_MSG_UPDPOLICY:
        return sizeof(struct xfrm_userpolicy_info);
    case XFRM_MSG_DELPOLICY:
        return sizeof(struct xfrm_userpolicy_id);
    case XFRM_MSG_NEWSA:
    case XFRM_MSG_UPDSA:
        return sizeof(struct xfrm_usersa_info);
    case XFRM_MSG_DELSA:
        return sizeof(struct xfrm_usersa_id);
    default:
        return 0;
    }
}

// An attribute of a request that has head_size() bytes; NULL if it has none of this type.
static const void *attribute(const struct nlmsghdr *h, uint16_t type, size_t n)
{
    size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(head_size(h->nlmsg_type));
    while (at + sizeof(struct nlattr) <= h->nlmsg_len) {
        struct nlattr a;
        memcpy(&a, (const uint8_t *)h + at, sizeof a);
        if (a.nla_len < sizeof a || a.nla_len > h->nlmsg_len - at) return NULL;
        if ((a.nla_type & NLA_TYPE_MASK) == type && a.nla_len >= sizeof a + n)
            return (const uint8_t *)h + at + sizeof a;
        at += NLMSG_ALIGN((size_t)a.nla_len); // attributes are aligned as messages are
    }
    return NULL;
}

// What makes two policies the same one in a kernel.
struct policy_key {
    struct xfrm_selector sel;
    struct xfrm_mark mark;
    uint32_t if_id;
    uint8_t dir, type;
};

static void policy_key(const struct nlmsghdr *h, struct policy_key *key)
{
    const void *mark = attribute(h, XFRMA_MARK, sizeof key->mark);
    const void *if_id = attribute(h, XFRMA_IF_ID, sizeof key->if_id);
    const void *type = attribute(h, XFRMA_POLICY_TYPE, sizeof(struct xfrm_userpolicy_type));
    memset(key, 0, sizeof *key); // padding is compared, too
    if (h->nlmsg_type == XFRM_MSG_DELPOLICY) {
        struct xfrm_userpolicy_id id;
        memcpy(&id, h + 1, sizeof id);
        key->sel = id.sel; // by index: ahead()
        key->dir = id.dir;
    } else {
        struct xfrm_userpolicy_info info;
        memcpy(&info, h + 1, sizeof info);
        key->sel = info.sel;
        key->dir = info.dir;
    }
    if (mark) memcpy(&key->mark, mark, sizeof key->mark);
    if (if_id) memcpy(&key->if_id, if_id, sizeof key->if_id);
    if (type) key->type = ((const struct xfrm_userpolicy_type *)type)->type;
}

// By number, not by selector?
static bool is_by_index(const struct nlmsghdr *h)
{
    struct xfrm_userpolicy_id id;
    if (h->nlmsg_type != XFRM_MSG_DELPOLICY || h->nlmsg_len < NLMSG_LENGTH(sizeof id)) return false;
    memcpy(&id, h + 1, sizeof id);
    return id.index != 0;
}

// ---- the lists ----

static void policy_drop(const struct nlmsghdr *h)
{
    struct policy_key want, have;
    policy_key(h, &want);
    for (struct policy **at = &policies; *at; at = &(*at)->next) {
        struct policy *p = *at;
        policy_key((const struct nlmsghdr *)p->message, &have);
        if (memcmp(&have, &want, sizeof have) != 0) continue;
        *at = p->next;
        policy_count--;
        free(p);
        return;
    }
}

static void policy_keep(const struct nlmsghdr *h)
{
    policy_drop(h);
    if (policy_count == POLICIES_MAX || h->nlmsg_len > POLICY_LEN_MAX) return;
    struct policy *p = calloc(1, sizeof *p + NLMSG_ALIGN(h->nlmsg_len));
    if (!p) return;
    memcpy(p->message, h, h->nlmsg_len);
    p->n = h->nlmsg_len;
    ((struct nlmsghdr *)p->message)->nlmsg_type = XFRM_MSG_UPDPOLICY;
    ((struct nlmsghdr *)p->message)->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    p->next = policies;
    policies = p;
    policy_count++;
}

static void sa_drop(const xfrm_address_t *daddr, uint32_t spi, uint8_t proto)
{
    for (struct sa **at = &sas; *at; at = &(*at)->next) {
        struct sa *s = *at;
        const struct xfrm_id *id = &s->info.id;
        if (id->spi != spi || id->proto != proto || memcmp(&id->daddr, daddr, sizeof *daddr) != 0)
            continue;
        *at = s->next;
        sa_count--;
        free(s);
        return;
    }
}

static void sa_keep(const struct nlmsghdr *h)
{
    struct sa *s = calloc(1, sizeof *s);
    if (!s) return;
    memcpy(&s->info, h + 1, sizeof s->info);
    sa_drop(&s->info.id.daddr, s->info.id.spi, s->info.id.proto);
    if (sa_count == SAS_MAX) {
        free(s);
        return;
    }
    s->next = sas;
    sas = s;
    sa_count++;
}

static void drop_all(uint16_t type)
{
    while (type == XFRM_MSG_FLUSHPOLICY && policies) {
        struct policy *p = policies;
        policies = p->next;
        policy_count--;
        free(p);
    }
    while (type == XFRM_MSG_FLUSHSA && sas) {
        struct sa *s = sas;
        sas = s->next;
        sa_count--;
        free(s);
    }
}

static void note(const struct nlmsghdr *h)
{
    struct xfrm_usersa_id id;
    size_t head = head_size(h->nlmsg_type);
    if (h->nlmsg_len < NLMSG_HDRLEN + head) return;
    switch (h->nlmsg_type) {
    case XFRM_MSG_NEWPOLICY:
    case XFRM_MSG_UPDPOLICY:
        policy_keep(h);
        return;
    case XFRM_MSG_DELPOLICY:
        if (!is_by_index(h)) policy_drop(h);
        return;
    case XFRM_MSG_NEWSA:
    case XFRM_MSG_UPDSA:
        sa_keep(h);
        return;
    case XFRM_MSG_DELSA:
        memcpy(&id, h + 1, sizeof id);
        sa_drop(&id.daddr, id.spi, id.proto);
        return;
    default:
        drop_all(h->nlmsg_type);
    }
}

// Which policy a number means knows pavise-xfrmd alone, and only as long as it is there.
static void ahead(const struct nlmsghdr *h)
{
    const struct entry nobody = {.portid = 0};
    alignas(8) uint8_t get[POLICY_LEN_MAX], got[POLICY_LEN_MAX];
    const struct nlmsghdr *answer = (const struct nlmsghdr *)got;
    struct iovec to = {got, sizeof got};
    if (!policies || !is_by_index(h) || h->nlmsg_len > sizeof get) return;
    int fd = link_connect(&nobody);
    if (fd < 0) return;
    memcpy(get, h, h->nlmsg_len);
    ((struct nlmsghdr *)get)->nlmsg_type = XFRM_MSG_GETPOLICY;
    ((struct nlmsghdr *)get)->nlmsg_flags = NLM_F_REQUEST;
    int error = link_fetch(fd, (struct iovec){get, h->nlmsg_len}, &to);
    (void)REAL(close)(fd);
    bool whole = !error && to.iov_len >= NLMSG_LENGTH(sizeof(struct xfrm_userpolicy_info));
    if (whole && answer->nlmsg_type == XFRM_MSG_NEWPOLICY && answer->nlmsg_len <= to.iov_len)
        policy_drop(answer);
}

static void each_message(const void *data, size_t n, void (*fn)(const struct nlmsghdr *h))
{
    const uint8_t *at = data;
    if ((uintptr_t)data % NLMSG_ALIGNTO) return; // no program that builds messages does that
    (void)pthread_mutex_lock(&lock);
    while (n >= NLMSG_HDRLEN) {
        const struct nlmsghdr *h = (const struct nlmsghdr *)at;
        if (h->nlmsg_len < NLMSG_HDRLEN || h->nlmsg_len > n) break;
        fn(h);
        size_t len = NLMSG_ALIGN((size_t)h->nlmsg_len);
        if (len >= n) break;
        at += len;
        n -= len;
    }
    (void)pthread_mutex_unlock(&lock);
}

void keep_ahead(const void *data, size_t n)
{
    int before = errno;
    each_message(data, n, ahead);
    errno = before;
}

void keep_note(const void *data, size_t n)
{
    each_message(data, n, note);
}

// ---- a new pavise-xfrmd ----

static void put_policies(void)
{
    const struct entry nobody = {.portid = 0};
    int fd = policies ? link_connect(&nobody) : -1;
    if (fd < 0) return;
    for (const struct policy *p = policies; p; p = p->next) {
        // Refused now as it was then; a connection that ends again brings us here again.
        if (link_ask(fd, p->message, p->n) == ECONNRESET) break;
    }
    (void)REAL(close)(fd);
}

static bool is_here(const struct xfrm_usersa_info *sa)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = sa->id.daddr.a4};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    bool is_v6 = sa->family == AF_INET6;
    memcpy(&v6.sin6_addr, sa->id.daddr.a6, sizeof v6.sin6_addr);
    int fd = REAL(socket)(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const struct sockaddr *at = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    bool here = fd >= 0 && REAL(bind)(fd, at, is_v6 ? sizeof v6 : sizeof v4) == 0;
    if (fd >= 0) (void)REAL(close)(fd);
    return here;
}

// One EXPIRE for the inbound SA of each pair: the peer is asked for new ones once. By way of
// pavise-xfrmd, so that the program's poll() sees it.
static void expire_sas(int fd)
{
    for (const struct sa *s = sas; s; s = s->next) {
        struct wire_echo echo = wire_echo(sizeof(struct xfrm_user_expire));
        const struct xfrm_user_expire e = {.state = s->info, .hard = 0};
        if (!is_here(&s->info)) continue;
        echo.inner.nlmsg_type = XFRM_MSG_EXPIRE;
        struct iovec v[] = {{&echo, sizeof echo}, {(void *)(uintptr_t)&e, sizeof e}};
        struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
        if (REAL(sendmsg)(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return;
    }
}

static pid_t server_of(int fd)
{
    struct ucred who = {0};
    socklen_t n = sizeof who;
    return REAL(getsockopt)(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 ? who.pid : 0;
}

void keep_tell(int fd, const struct entry *e)
{
    int before = errno;
    bool listens = atomic_load(&e->groups) >> (XFRMNLGRP_EXPIRE - 1) & 1;
    (void)pthread_mutex_lock(&lock);
    pid_t server = server_of(fd);
    if (told && server != told) put_policies();
    told = server;
    if (listens) expire_sas(fd);
    (void)pthread_mutex_unlock(&lock);
    errno = before;
}

void keep_meet(int fd)
{
    (void)pthread_mutex_lock(&lock);
    if (!told) told = server_of(fd);
    (void)pthread_mutex_unlock(&lock);
}
