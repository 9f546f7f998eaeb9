// reassembly.h - the pieces of one message in pieces (RFC 7383 2.6) until all are there. What is
// kept here has been authenticated piece by piece.
#pragma once

#include "ike/codec/msg.h"
#include "ike/sa/blob.h"

// A message of 64 KiB in pieces of 576 bytes and a few more; each piece costs memory.
#define PIECES_MAX 160
// Of all IKE SAs together: half-open ones may be made by anybody.
#define REASSEMBLING_MAX (64U << 20)

// One for each direction: the message that is awaited next. Zeroed: empty.
struct reassembly {
    uint32_t id; // Message ID
    uint16_t total, have;
    uint8_t first;
    size_t bytes;
    struct blob *piece; // total of them
};

// Keeps a copy of a piece. *held counts the bytes of all reassemblies.
// ERR_OK: it was the last one. ERR_AGAIN: others are missing still. ERR_LIMIT: too much (what was
// there is dropped), ERR_NOMEM.
err_t reassembly_add(struct reassembly *r, size_t *held, uint32_t id, const struct fragment *f);
// The content of the whole message, copied to `to`, where IKE_MSG_MAX bytes fit, and the type of
// its first payload. Empties r.
span_t reassembly_take(struct reassembly *r, size_t *held, uint8_t *to, uint8_t *first);
void reassembly_done(struct reassembly *r, size_t *held);
