// netlink_gram.h - a grammar of hostile NETLINK_XFRM messages: well-formed ones with something
// wrong in them.
#pragma once

#include "netlink/uapi.h"
#include "test/fuzz/gram.h"

#include <linux/netlink.h>

#define GRAM_MESSAGE_MAX 8192 // bytes; longer than any message the server knows

// Writes one message into buf (8-byte aligned, GRAM_MESSAGE_MAX bytes) and returns how many of them
// are there: nlmsg_len, except where a decision made it lie. seq is the message's number.
size_t gram_message(struct gram *g, void *buf, uint32_t seq);
