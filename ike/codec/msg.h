// msg.h - IKE messages: header, payload chain, the Encrypted payload (RFC 7296 3.1, 3.2, 3.14).
//
// Reading: msg_read() takes a datagram apart into payloads that borrow from it; if there is an SK
// payload, msg_open() decrypts it in place and appends the payloads inside.
// Writing: msgw_*() appends payloads; msgw_seal() encrypts what came after msgw_begin_sk().
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "crypto/sealer.h"

#define IKE_HEADER_LEN 28
#define IKE_MSG_MAX 65535   // bytes of one message
#define MSG_PAYLOADS_MAX 64 // payloads of one message, more is ERR_LIMIT

enum exchange {
    X_SA_INIT = 34,
    X_AUTH = 35,
    X_CHILD = 36,
    X_INFO = 37,
    X_INTERMEDIATE = 43,
    X_FOLLOWUP = 44, // IKE_FOLLOWUP_KE
};
const char *exchange_name(uint8_t x); // "IKE_SA_INIT"

enum payload_type {
    PAYLOAD_NONE = 0,
    PAYLOAD_SA = 33,
    PAYLOAD_KE = 34,
    PAYLOAD_IDi = 35,
    PAYLOAD_IDr = 36,
    PAYLOAD_CERT = 37,
    PAYLOAD_CERTREQ = 38,
    PAYLOAD_AUTH = 39,
    PAYLOAD_Nonce = 40,
    PAYLOAD_N = 41,
    PAYLOAD_D = 42,
    PAYLOAD_V = 43,
    PAYLOAD_TSi = 44,
    PAYLOAD_TSr = 45,
    PAYLOAD_SK = 46,
    PAYLOAD_CP = 47,
    PAYLOAD_EAP = 48,
    PAYLOAD_SKF = 53,
};
// A set of payload types, for the step table: P(SA) | P(KE).
#define P(name) (1ULL << (PAYLOAD_##name))

enum ike_flags { IKE_FLAG_INITIATOR = 0x08, IKE_FLAG_VERSION = 0x10, IKE_FLAG_RESPONSE = 0x20 };

//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                       IKE SA Initiator's SPI                  |
// |                                                               |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                       IKE SA Responder's SPI                  |
// |                                                               |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |  Next Payload | MjVer | MnVer | Exchange Type |     Flags     |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                          Message ID                           |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                            Length                             |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
struct ike_header {
    uint64_t spi_i, spi_r; // host integers of the wire's 8 bytes
    uint8_t next, version, exchange, flags;
    uint32_t id, length;
};

//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Next Payload  |C|  RESERVED   |         Payload Length        |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
struct payload {
    uint8_t type;
    bool critical;
    span_t body; // without the generic header
};

struct msg {
    struct ike_header h;
    struct payload payload[MSG_PAYLOADS_MAX];
    unsigned n;
    uint64_t have;            // set of types present, P(...)
    uint8_t unknown_critical; // type of the first unknown critical payload; 0 = none
    uint8_t sk_first;         // type of the first payload inside SK (0: no SK, or an empty one)
    uint8_t sk_bits;          // what stands beside it: C and RESERVED
    span_t inside;            // what was inside SK, in clear
    span_t wire;              // the whole datagram, for AUTH (RFC 7296 2.15)
};

// Header only: length, version fields as they are. ERR_SHORT.
err_t ike_header_read(span_t wire, struct ike_header *out);
// The message without decrypting. Payloads borrow from `wire`. Versions, flags and exchange are
// left to the caller. Payloads of unknown type are skipped; a critical one shows in
// unknown_critical. After an error out->h is set if the header and its length were right (the rest
// is not to be used). Errors: ERR_SHORT, ERR_TRAILING (length field and datagram differ),
// ERR_SYNTAX, ERR_LIMIT.
err_t msg_read(span_t wire, struct msg *out);
// Decrypts the SK payload in place (wire must be writable memory: pass the same buffer) and adds
// the inner payloads to m. After ERR_AUTH (forged or damaged: drop silently) the buffer holds
// garbage. ERR_SYNTAX, ERR_LIMIT: authentic but malformed; m is unchanged. ERR_NOTFOUND: no SK.
err_t msg_open(struct msg *m, uint8_t *wire, struct sealer *sealer);
static inline bool msg_has(const struct msg *m, uint64_t types)
{
    return (m->have & types) == types;
}
// The nth (0 = first) payload of a type, or NULL.
const struct payload *msg_nth(const struct msg *m, enum payload_type type, unsigned nth);
span_t msg_body(const struct msg *m, enum payload_type type); // of the first; empty if absent

// The Encrypted payload. Next Payload names the first payload inside; nothing follows.
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Next Payload  |C|  RESERVED   |         Payload Length        |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                     Initialization Vector                     ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                    Encrypted IKE Payloads                     ~
// +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |               |             Padding (0-255 octets)            |
// +-+-+-+-+-+-+-+-+                               +-+-+-+-+-+-+-+-+
// |                                               |  Pad Length   |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                    Integrity Checksum Data                    ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// The Encrypted Fragment payload (RFC 7383 2.5): a piece of what would stand inside SK.
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Next Payload  |C|  RESERVED   |         Payload Length        |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |        Fragment Number        |        Total Fragments        |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~   Initialization Vector, Encrypted content, Pad Length, ICV   ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
struct fragment {
    uint16_t number, total; // 1 <= number <= total
    uint8_t first;          // type of the first payload; 0 but in the first piece
    span_t content;
};
// Decrypts the SKF payload in place, as msg_open() does. ERR_AUTH, ERR_SYNTAX (authentic, but the
// numbers make no sense), ERR_NOTFOUND: no SKF.
err_t msg_open_fragment(const struct msg *m, uint8_t *wire, struct sealer *sealer,
                        struct fragment *out);
// A message whose pieces have been put together: the payloads of `content`, the first of which is
// of type `first`, are all it has. ERR_SYNTAX, ERR_LIMIT: m keeps only its header.
err_t msg_inside(struct msg *m, uint8_t first, span_t content);

// A message as AUTH covers it (RFC 9242 3.3.2): the headers of IKE and SK with lengths that do not
// count IV, padding and ICV, and the payloads in clear. `inside` borrows.
struct clear {
    uint8_t head[IKE_HEADER_LEN + 4];
    span_t inside;
};
void msg_clear(const struct msg *m, struct clear *out); // of an opened message

// "IKE_AUTH response 1 [ IDr AUTH SA TSi TSr N(MOBIKE_SUP) ]", as strongSwan's log has it; of an
// opened message. Cut where buf is full (msg_show.c).
#define MSG_TEXT_MAX 768
const char *msg_show(const struct msg *m, char *buf, size_t cap);

// ---- writing ----
struct msgw {
    wr_t w;
    uint8_t *next;   // where the type of the next payload goes
    uint8_t *length; // length field of the payload being written
    uint8_t *sk;     // generic header of SK, once begun
    uint8_t *sk_iv;
    struct sealer *sealer;
};

// The header as it is in *h; next and length are filled in.
void msgw_start(struct msgw *m, uint8_t *buf, size_t cap, const struct ike_header *h);
// Begins a payload and returns the cursor for its body; msgw_end() fills its length. What does not
// fit makes msgw_finish() fail, nothing before.
wr_t *msgw_begin(struct msgw *m, enum payload_type type);
void msgw_end(struct msgw *m);
void msgw_payload(struct msgw *m, enum payload_type type, span_t body); // both, for a ready body
// All payloads after this are inside SK. `unique` feeds sealer_iv.
void msgw_begin_sk(struct msgw *m, struct sealer *sealer, uint64_t unique);
void msgw_clear(const struct msgw *m, struct clear *out); // before it is finished
// Fills lengths, pads and seals. *out borrows buf. ERR_SPACE, ERR_CRYPTO.
err_t msgw_finish(struct msgw *m, span_t *out);
// The same for a network that takes messages of at most `max` bytes (RFC 7383 2.5.1): what is
// longer becomes several messages in buf, one after the other, each as long as its header says.
// *unique feeds sealer_iv and is counted up for each. ERR_SPACE (also if max leaves no room for
// content), ERR_CRYPTO.
struct msgw_pieces {
    uint8_t *buf;
    size_t cap, max;
    uint64_t *unique;
};
err_t msgw_finish_fragments(struct msgw *m, const struct msgw_pieces *to, span_t *out);
