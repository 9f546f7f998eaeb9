// netlink_gram.h - a grammar of hostile NETLINK_XFRM messages: any sequence of bytes is read as
// decisions that make well-formed messages with something wrong in them. A fuzzer that changes a
// byte changes a decision, not the framing.
#pragma once

#include "netlink/uapi.h"

#include <linux/netlink.h>

#define GRAM_MESSAGE_MAX 8192 // bytes; longer than any message the server knows

struct gram { // decisions that are left
    const uint8_t *at;
    size_t left;
    uint32_t spi; // the one the executor has chosen last, so that later messages can name it
};

uint8_t gram_u8(struct gram *g); // 0 when nothing is left
uint32_t gram_u32(struct gram *g);

// Writes one message into buf (8-byte aligned, GRAM_MESSAGE_MAX bytes) and returns how many of them
// are there: nlmsg_len, except where a decision made it lie. seq is the message's number.
size_t gram_message(struct gram *g, void *buf, uint32_t seq);
