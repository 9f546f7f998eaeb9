// held.h - a message that was put aside until a work is done (work.h): what it says, and where it
// came from.
#pragma once

#include "ike/codec/msg.h"
#include "ike/env.h"
#include "ike/sa/blob.h"

struct held {
    bool full;
    struct ike_header h;
    uint8_t first; // type of its first payload
    struct blob inside;
    endpoint_t from, to;
};

// Of an opened message. ERR_NOMEM.
err_t held_put(struct held *k, const struct msg *m, const struct datagram *d);
// The message again; its payloads borrow from k. d has no bytes.
err_t held_get(const struct held *k, struct msg *m, struct datagram *d);
void held_done(struct held *k); // empty again
