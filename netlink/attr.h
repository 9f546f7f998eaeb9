// attr.h - the attributes of one NETLINK_XFRM message, found and measured once.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |        length (with header)   |  type (XFRMA_*), flags on top |   in the host's byte order
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                value, padded to a multiple of 4               ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include <linux/netlink.h>

#include "base/cursor.h"
#include "netlink/uapi.h"

struct attrs {
    span_t at[UAPI_ATTR_MAX + 1]; // borrowed from the message; at == NULL: absent
    uint32_t bad_at;              // ERR_SHORT: where in the message the attribute stands
};

// Which attribute numbers a message uses: those of the requests (XFRMA_*), or those of
// NEWSPDINFO and NEWSADINFO (XFRMA_SPD_*, XFRMA_SAD_*).
enum attr_space { ATTR_XFRM, ATTR_INFO };

// Collects the attributes that follow a fixed part of `head` bytes. As the kernel does: unknown
// types are ignored, the last of a type wins. h is 4-byte aligned and nlmsg_len bytes long.
// Errors: ERR_SYNTAX (fixed part too short), ERR_SHORT (an attribute shorter than its struct).
err_t attrs_read(const struct nlmsghdr *h, size_t head, enum attr_space space, struct attrs *out,
                 struct why *why);
static inline bool attrs_has(const struct attrs *a, unsigned type)
{
    return a->at[type].at != NULL;
}
// The value, `otherwise` when absent. attrs_read() has checked the length.
uint32_t attrs_u32(const struct attrs *a, unsigned type, uint32_t otherwise);
// Copies the first n bytes; false and zeros when absent or shorter.
bool attrs_copy(const struct attrs *a, unsigned type, void *to, size_t n);
