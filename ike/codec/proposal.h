// proposal.h - Security Association payload: proposals and transforms (RFC 7296 3.3), and the
// choice of one (2.7). The same struct holds configured, offered and chosen proposals.
#pragma once

#include "base/cursor.h"
#include "crypto/alg.h"

#define PROPOSAL_TRANSFORMS_MAX 64 // of one proposal; widely used defaults have close to 40
#define PROPOSALS_MAX 32           // of one SA payload; more are ERR_LIMIT

enum protocol { PROTO_NONE = 0, PROTO_IKE = 1, PROTO_AH = 2, PROTO_ESP = 3 };

//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Last Substruc |   RESERVED    |        Transform Length       |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |Transform Type |   RESERVED    |          Transform ID         |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |1|     Key Length (14)         |      Attribute Value, bits    |  only where the key length
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+  can vary (RFC 7296 3.3.5)
struct transform {
    uint16_t id;
    uint16_t key_len; // bytes; 0 = no KEY_LENGTH attribute
    uint8_t type;     // enum alg_type
    bool unusable;    // read from the wire with an attribute that we do not know
};

//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Last Substruc |   RESERVED    |         Proposal Length       |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Proposal Num  |  Protocol ID  |    SPI Size   |Num  Transforms|
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                        SPI (variable)                         ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                        <Transforms>                           ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
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

// A copy on the heap that is no longer than its transforms, or proposals, for what is kept long:
// read through the pointer, copied by proposal_copy() only. NULL: out of memory.
struct proposal *proposal_keep(const struct proposal *p);
struct proposals *proposals_keep(const struct proposals *ps);
void proposal_copy(struct proposal *to, const struct proposal *from);

// Body of an SA payload; *out is undefined after an error.
// Errors: ERR_SHORT, ERR_TRAILING, ERR_SYNTAX, ERR_LIMIT.
err_t proposals_read(span_t body, struct proposals *out);
void proposals_write(wr_t *w, const struct proposals *ps);
void proposals_write_one(wr_t *w, const struct proposal *p);

// Appends an algorithm of crypto/alg.h, with or without KEY_LENGTH as it wants. ERR_LIMIT.
err_t proposal_add(struct proposal *p, const struct alg *a);

// Chooses (RFC 7296 2.7): the first of `ours` (our preference) that fits one of the peer's; one
// transform per type. `ignore_ke`: the KE type does not count (IKE_AUTH child SAs).
// A type that is absent means NONE, absent ESN "no ESN"; where the peer offers NONE itself, it is
// in `chosen`, because the answer must say so. Never a cipher without integrity protection. chosen:
// number and SPI are the peer's. ERR_NOCHOICE.
err_t proposal_choose(const struct proposals *ours, const struct proposals *theirs, bool ignore_ke,
                      struct proposal *chosen);
// The same in the peer's order: of proposals, and of the transforms in them. ours: is reordered.
err_t proposal_choose_theirs(struct proposals *ours, const struct proposals *theirs, bool ignore_ke,
                             struct proposal *chosen);
// Is `answer` (from a responder) one of what we offered? It becomes one transform per type.
// `offered` is what was on the wire: without KE where none was sent. The SPI is the responder's.
// ERR_NOCHOICE.
err_t proposal_check_answer(const struct proposals *offered, const struct proposals *answer,
                            struct proposal *chosen);
// The transform of a type in a chosen proposal, or NULL.
const struct transform *proposal_get(const struct proposal *p, enum alg_type type);
// ... and its entry in crypto/alg.h; NULL also when there is none or the key length is not allowed.
const struct alg *proposal_alg(const struct proposal *p, enum alg_type type);
// Does it ask for additional key exchanges (RFC 9370)?
bool proposal_has_extra(const struct proposal *p);
// "AES_GCM_16_128/PRF_HMAC_SHA2_256/CURVE_25519", for logs. buf returned.
const char *proposal_show(const struct proposal *p, char buf[256]);
// Why two lists have no suite in common: the first type of algorithm in which those two proposals
// differ that agree the longest, with both sides. Returns buf.
const char *proposals_diff(const struct proposals *theirs, const struct proposals *ours, char *buf,
                           size_t cap);
