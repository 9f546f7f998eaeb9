// preload.h - the parts of libpavise-netlink.so among themselves (story: top of preload.c).
//
//     preload.c        the functions of libc that stand in front, and what passes on
//     preload_table.c  which descriptors are ours
//     preload_link.c   a netlink socket over the Unix socket of wire.h
//     preload_natt.c   UDP port 4500, shared with pavise-xfrmd; per-socket bypass
//     preload_keep.c   what a new pavise-xfrmd has to know after a crash of the old one
//     preload_start.c  PAVISE_AUTOSTART
//
// Every function may be called from any thread and sets errno as libc's would.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "netlink/wire.h"

// The function behind ours.
#define REAL(name)                                          \
    ({                                                      \
        static _Atomic(void *) slot;                        \
        (__typeof__(&name))preload_real_find(&slot, #name); \
    })
void *preload_real_find(_Atomic(void *) *slot, const char *name);
int preload_fail(int error); // sets errno, returns -1
// One line on standard error.
void preload_say(const char *what, const char *name);

// ---- preload_table.c ----

// A descriptor that the program takes for a NETLINK_XFRM socket.
struct entry {
    atomic_bool ours;
    atomic_bool used; // something was sent, so an answer may be on its way
    atomic_ulong inode;
    atomic_uint portid, groups, options;
    atomic_int type; // as the program asked for it
    // Where it is watched: a new connection under the same number has to be put there again.
    atomic_int epoll_fd; // 0: nowhere
    struct epoll_event watched;
};

unsigned long table_inode(int fd); // 0: no such descriptor
struct entry *table_find(int fd);  // NULL: not ours
void table_forget(int fd);
void table_share(int from, int to); // `to` is a second descriptor of the same socket
// false: its number is too high
bool table_put(int fd, const struct entry *e);

// ---- preload_link.c ----

// A connected socket that has said hello as e, or -1.
int link_connect(const struct entry *e);
int link_open(int type); // socket(AF_NETLINK, type, NETLINK_XFRM)
// Tells pavise-xfrmd of other groups, options or another port id. `quiet`: no event can be in the
// way of the answer.
int link_update(int fd, struct entry *e, bool quiet);
ssize_t link_send(int fd, struct entry *e, const struct msghdr *from, int flags);
ssize_t link_receive(int fd, struct entry *e, struct msghdr *m, int flags);
// Sends one request of wire.h and waits for its answer: 0 or an errno.
int link_ask(int fd, const void *request, size_t n);
// The same for a request whose answer is more than that; answer->iov_len becomes its length.
int link_fetch(int fd, struct iovec request, struct iovec *answer);
// Fills in a struct sockaddr_nl as libc's calls do.
void link_name(void *to, socklen_t *len, const struct sockaddr_nl *from);

// ---- preload_natt.c ----

// Is this a UDP socket about to be bound to the port that ESP in UDP uses, too?
bool natt_wants(int fd, const struct sockaddr *at, socklen_t len);
int natt_bind(int fd, const struct sockaddr *at, socklen_t len); // as bind()
void natt_forget(int fd);
void natt_again(void); // a pavise-xfrmd that may be a new one has been reached
// setsockopt() calls by which a program tells its kernel about IPsec. true: dealt with, and
// *result is what setsockopt() returns.
bool natt_option(int fd, int level, int option, const void *value, socklen_t len, int *result);

// ---- preload_keep.c ----

void keep_ahead(const void *data, size_t n); // a datagram of requests is about to be sent
void keep_note(const void *data, size_t n);  // a datagram of requests has been sent
// fd has been connected again, as e: whoever serves it is told what he may not know.
void keep_tell(int fd, const struct entry *e);
void keep_meet(int fd); // fd has been connected for the first time

// ---- preload_start.c ----

bool start_wanted(void); // PAVISE_AUTOSTART=1, and the caller is not setuid
// Starts a pavise-xfrmd in this network namespace. 0 or an errno; it is not ready yet.
int start_xfrmd(void);
