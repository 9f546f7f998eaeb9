// message.h - one netlink message being built in a buffer (RFC 3549 2.3.2; libmnl inside).
//
// Sticky like base/cursor.h: the first thing that does not fit makes the message bad, later calls
// do nothing, and message_done() reports it. So a writer reads top to bottom like the message.
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

#include "base/err.h"

// Large enough for every message of this folder: the largest is an SA with all three keys and a
// replay window of 4096 packets, under 2 KiB.
#define MESSAGE_MAX 3072

struct message {
    struct nlmsghdr *h; // grows; h->nlmsg_len is always a multiple of 4
    size_t cap;
    bool bad;
};

// What a message carries besides its type.
struct message_id {
    uint32_t seq, portid;
    uint16_t flags; // NLM_F_*
};

// Starts a message in buf (4-byte aligned, borrowed).
struct message message_start(void *buf, size_t cap, uint16_t type, struct message_id id);
// Appends the fixed part of the payload, padded with zeros to a multiple of 4.
void message_head(struct message *m, const void *data, size_t n);
void message_put(struct message *m, uint16_t attr, const void *data, size_t n);
void message_put_u8(struct message *m, uint16_t attr, uint8_t v);
void message_put_u32(struct message *m, uint16_t attr, uint32_t v);
// An attribute of n zero bytes, to be filled by the caller; NULL when it does not fit.
void *message_reserve(struct message *m, uint16_t attr, size_t n);
// ERR_SPACE if anything did not fit.
err_t message_done(const struct message *m);
