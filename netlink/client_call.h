// client_call.h - inside the client: one request and what comes back.
#pragma once

#include "netlink/codec.h"
#include "netlink/link.h"

#define CALL_TIMEOUT (2 * NSEC_PER_SEC) // both peers answer at once; this only ends a hang

struct caller {
    enum xfrm_client_peer peer;
    const char *name;
    struct link link; // opened when first needed, and again after it was lost
    uint32_t seq;
    alignas(8) uint8_t in[LINK_DATAGRAM_MAX];
};

// Takes an answer that is no acknowledgement. Its error ends the call.
typedef err_t call_take_fn(void *arg, const struct nlmsghdr *h, struct why *why);

// Sends the request (sets its sequence number and flags) and waits for its acknowledgement; take
// (may be NULL) gets the answer before that. Errors as xfrm.h has them, and ERR_CLOSED,
// ERR_TIMEOUT, ERR_SYSTEM.
err_t call_request(struct caller *c, struct message *m, call_take_fn *take, void *arg,
                   struct why *why);
// Asks for everything (GETSA, GETPOLICY) on a connection of its own. keep returns false to end
// it early.
err_t call_dump(const struct caller *c, uint16_t type,
                bool (*keep)(void *arg, const struct nlmsghdr *h), void *arg);
// The class of an errno that answered a request of this type.
err_t call_error(uint16_t type, int error);
