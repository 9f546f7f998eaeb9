// chain.h - the additional key exchanges of one CREATE_CHILD_SA (RFC 9370 2.2.4), in either role:
// which are agreed on, how many are done, and what they gave.
#pragma once

#include "crypto/ke.h"
#include "ike/codec/proposal.h"

#define CHAIN_MAX 7 // ADDKE1 .. ADDKE7
#define CHAIN_LINK_MAX \
    256 // bytes of a link that we accept; what is in it is the responder's affair
#define CHAIN_LINK_OURS 16    // bytes of a link that we make: random, so that none can be guessed
#define CHAIN_SECRET_MAX 1024 // bytes of one shared secret: MODP-8192 has the longest

struct chain {
    uint16_t method[CHAIN_MAX];
    unsigned n, done;
    struct ke *ke; // initiator: the exchange under way; owned
    uint16_t link_len;
    uint8_t link[CHAIN_LINK_MAX]; // what the next request shows
    uint32_t len;
    uint8_t secrets[CHAIN_MAX * CHAIN_SECRET_MAX]; // SK(1) | ... | SK(done)
};

// Lists what a chosen proposal asks for; c is empty before. c->n is 0 if there is nothing.
void chain_plan(struct chain *c, const struct proposal *chosen);
static inline bool chain_is_due(const struct chain *c)
{
    return c->done < c->n;
}
// The next exchange gave this. ERR_SPACE.
err_t chain_add(struct chain *c, const struct secret *shared);
err_t chain_link(struct chain *c, span_t link); // ERR_SYNTAX (empty), ERR_LIMIT
static inline span_t chain_secrets(const struct chain *c)
{
    return span(c->secrets, c->len);
}
void chain_done(struct chain *c); // wipes
