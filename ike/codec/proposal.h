// proposal.h - Security Association payload: proposals and transforms (RFC 7296 3.3), and the
// choice of one (2.7). The same struct holds configured, offered and chosen proposals.
#pragma once

#include "base/cursor.h"
#include "crypto/alg.h"

#define PROPOSAL_TRANSFORMS_MAX 40
#define PROPOSALS_MAX 32 // of one SA payload; more are ERR_LIMIT

enum protocol { PROTO_NONE = 0, PROTO_IKE = 1, PROTO_AH = 2, PROTO_ESP = 3 };

struct transform {
    uint8_t type; // enum alg_type
    uint16_t id;
    uint16_t key_len; // bytes; 0 = no KEY_LENGTH attribute
    bool unusable;    // read from the wire with an attribute that we do not know
};

struct proposal {
    uint8_t number;   // 1.. in order
    uint8_t protocol; // enum protocol
    uint8_t spi_len;  // 0, 4 or 8
    uint64_t spi;     // host integer
    unsigned n;
    struct transform t[PROPOSAL_TRANSFORMS_MAX];
};

struct proposals {
    unsigned n;
    struct proposal p[PROPOSALS_MAX];
};

// Body of an SA payload. Errors: ERR_SHORT, ERR_TRAILING, ERR_SYNTAX, ERR_LIMIT.
err_t proposals_read(span_t body, struct proposals *out);
void proposals_write(wr_t *w, const struct proposals *ps);

// Chooses (RFC 7296 2.7): the first of `ours` (our preference) that fits one of the peer's; one
// transform per type. `ignore_ke`: the KE type does not count (IKE_AUTH child SAs).
// chosen: number and SPI are the peer's. ERR_NOCHOICE.
err_t proposal_choose(const struct proposals *ours, const struct proposals *theirs, bool ignore_ke,
                      struct proposal *chosen);
// Is `answer` (from a responder) one of what we offered? It becomes one transform per type.
err_t proposal_check_answer(const struct proposals *offered, const struct proposals *answer,
                            struct proposal *chosen);
// The transform of a type in a chosen proposal, or NULL.
const struct transform *proposal_get(const struct proposal *p, enum alg_type type);
// "AES_GCM_16_128/PRF_HMAC_SHA2_256/CURVE_25519", for logs. buf returned.
const char *proposal_show(const struct proposal *p, char buf[256]);
