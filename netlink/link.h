// link.h - one connection that carries NETLINK_XFRM messages: an AF_NETLINK socket to the kernel
// or a Unix socket to pavise-xfrmd. Used by one thread; blocking with a time limit.
#pragma once

#include "base/cursor.h"
#include "netlink/client.h"
#include "netlink/message.h"
#include "netlink/uapi.h"

#define LINK_DATAGRAM_MAX 65536 // bytes; the kernel's dumps come in at most 32 KiB

struct link {
    int fd; // -1: closed
    uint32_t portid;
};

// Connects and joins the groups (bit n - 1: XFRMNLGRP_* n). name: pavise-xfrmd's socket.
// Errors: ERR_SYSTEM, ERR_PERMISSION (one of us is not root), ERR_CLOSED (no pavise-xfrmd there),
// ERR_TIMEOUT.
err_t link_open(enum xfrm_client_peer peer, const char *name, uint32_t groups, struct link *out,
                struct why *why);
void link_close(struct link *l);
// Sends one datagram. ERR_CLOSED, ERR_TIMEOUT, ERR_SYSTEM.
err_t link_send(struct link *l, span_t datagram, struct why *why);
// Receives one datagram into buf (4-byte aligned). until: monotonic ns; 0: only what is there.
// Errors: ERR_AGAIN / ERR_TIMEOUT (nothing came), ERR_LIMIT (events were lost: the netlink
// socket overran), ERR_CLOSED, ERR_SYSTEM.
err_t link_receive(struct link *l, void *buf, size_t cap, uint64_t until, span_t *out);
