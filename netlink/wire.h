// wire.h - how NETLINK_XFRM travels over pavise-xfrmd's Unix SOCK_SEQPACKET socket.
//
// A datagram is what a netlink socket would carry: one or more whole messages, no prefix. What a
// program says to its own kernel by bind() and setsockopt() has no message of its own; it is sent
// as one, of a type that netlink reserves and the kernel ignores (below NLMSG_MIN_TYPE):
//
//   client -> server   WIRE_HELLO  port id, groups, options: all of them, each time one changes.
//                                  The first datagram of a connection, and with NLM_F_ACK answered
//                                  by NLMSG_ERROR like any request (0, or -EPERM and then the end).
//   client -> server   WIRE_LEND   the program has bound a UDP socket to this one address and port,
//                                  and shares it with ESP (base/natt_share.h): the server makes
//                                  one beside it, until it is told otherwise or the connection
//                                  ends. Answered by NLMSG_ERROR.
//   client -> server   WIRE_ECHO   the message behind the header comes back as it is. By this the
//                                  preload library puts one into its own program's queue, where
//                                  poll() sees it. Not answered otherwise.
//   server -> client   NLMSG_OVERRUN  messages for this client were dropped: what a netlink socket
//                                  reports once as ENOBUFS.
//
// Abstract names belong to nobody: whoever binds one first has it. So both ends look at
// SO_PEERCRED, the server to serve root only, the client before it hands keys to an impostor.
// The server answers on the connection the request came from, whatever its nlmsg_pid.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/netlink.h>

#define WIRE_ECHO 12
#define WIRE_LEND 13
#define WIRE_HELLO 14
#define WIRE_DATAGRAM_MAX 65536 // bytes; a request is far smaller

// What pavise-xfrmd does by itself, unless its options say otherwise.
#define WIRE_NATT_PORT 4500     // UDP port of ESP in UDP
#define WIRE_FWMARK 0x50415649U // "PAVI": packets with this mark stay out of its TUN device

enum wire_options { WIRE_EXT_ACK = 1, WIRE_CAP_ACK = 2 }; // NETLINK_EXT_ACK, NETLINK_CAP_ACK

struct wire_hello {
    struct nlmsghdr h;
    uint32_t portid;  // what getsockname() shows; answers carry it as nlmsg_pid
    uint32_t groups;  // bit n - 1: XFRMNLGRP_* n
    uint32_t options; // enum wire_options
};

static inline struct wire_hello wire_hello(uint32_t portid, uint32_t groups, uint32_t options)
{
    return (struct wire_hello){
        .h = {.nlmsg_len = sizeof(struct wire_hello),
              .nlmsg_type = WIRE_HELLO,
              .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .portid = portid,
        .groups = groups,
        .options = options,
    };
}

struct wire_lend {
    struct nlmsghdr h;
    uint16_t family;  // AF_INET, AF_INET6
    uint16_t port;    // host byte order
    uint32_t on;      // 1: from now on; 0: no longer
    uint8_t addr[16]; // network byte order, the first 4 for IPv4
};

static inline struct wire_lend wire_lend(bool on)
{
    return (struct wire_lend){
        .h = {.nlmsg_len = sizeof(struct wire_lend),
              .nlmsg_type = WIRE_LEND,
              .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .on = on,
    };
}

struct wire_echo {
    struct nlmsghdr h;
    struct nlmsghdr inner; // its payload follows
};

static inline struct wire_echo wire_echo(uint32_t payload)
{
    const uint32_t inner = (uint32_t)NLMSG_LENGTH(payload);
    return (struct wire_echo){
        .h = {.nlmsg_len = NLMSG_LENGTH(inner),
              .nlmsg_type = WIRE_ECHO,
              .nlmsg_flags = NLM_F_REQUEST},
        .inner = {.nlmsg_len = inner},
    };
}

// The user id of whoever is at the other end (for a server: who called listen()), or -1.
static inline int64_t wire_peer_uid(int fd)
{
    struct ucred peer;
    socklen_t n = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 ? (int64_t)peer.uid : -1;
}

// "@name" to an abstract address. Returns its length, 0 if the name is not one.
static inline socklen_t wire_address(const char *name, struct sockaddr_un *out)
{
    size_t n = strlen(name);
    memset(out, 0, sizeof *out);
    if (n < 2 || name[0] != '@' || n > sizeof out->sun_path) return 0;
    out->sun_family = AF_UNIX;
    memcpy(out->sun_path + 1, name + 1, n - 1);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}
