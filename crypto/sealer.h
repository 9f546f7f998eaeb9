// sealer.h - encrypts and authenticates one direction of one SA: AEAD (RFC 4106, 4309, 7634, 5282),
// authentication alone (RFC 4543), or cipher plus MAC, encrypt-then-MAC (RFC 4303, 7296 3.14).
// Bursts in, verdicts out, in place.
// Used for ESP by xfrm/ and for the Encrypted payload (SK) by ike/.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"

// What to build. Numbers from crypto/alg.h. Keys are borrowed for the call.
struct sealer_spec {
    uint16_t encr, integ; // integ is INTEG_NONE for AEAD
    uint16_t icv_len;     // bytes on the wire; 0 = the algorithm's own. A MAC may be truncated
                          // otherwise (ip xfrm "auth hmac(sha256)" means 96 bits)
    span_t encr_key;      // with the salt appended, where there is one
    span_t integ_key;     // a MAC takes more lengths than IKE's: alg_takes_key()
    const char *provider; // "openssl", "ipsecmb"; NULL = the fastest this machine has
};

// One message. `head`, IV, text and ICV stand next to each other in memory, as on the wire:
//
//     head               iv        text                              icv
//     +------------------+---------+---------------------------------+------+
//     | ESP or IKE hdr   | iv_len  | payload, padding, trailer       |      |
//     +------------------+---------+---------------------------------+------+
//
// Authenticated: head, IV (by an AEAD cipher as its nonce), text, and for ESN the high half of the
// sequence number, which is placed as each algorithm wants it (RFC 4106 section 5; RFC 4303 2.2.1).
struct seal_job {
    uint8_t *head;
    uint32_t head_len;
    uint32_t text_len; // a multiple of the block size
    uint32_t esn_hi;   // used if esn
    bool esn;
    bool bad; // set by sealer_open when the ICV is wrong (the text is then not to be used), and
              // by both when the library fails
};

struct alg;    // crypto/alg.h
struct sealer; // immutable after creation but for provider scratch: one thread at a time

// Errors: ERR_ALGORITHM (unknown pair, wrong key or ICV length; `why` says which), ERR_NOMEM.
err_t sealer_new(const struct sealer_spec *spec, struct sealer **out, struct why *why);
void sealer_free(struct sealer *s); // wipes the keys; NULL is fine

uint32_t sealer_iv_len(const struct sealer *s);
uint32_t sealer_icv_len(const struct sealer *s);
uint32_t sealer_block(const struct sealer *s);       // >= 1; ESP rounds up to 4 itself
const char *sealer_provider(const struct sealer *s); // "openssl", "ipsecmb"
// Who would do these on this machine, with keys of IKE's lengths (NULL: nobody). `integ` is NULL
// for AEAD.
const char *sealer_would(const struct alg *encr, const struct alg *integ);

// Writes the IV of a message that is about to be sealed: for counter modes it is derived from
// `unique` (the sequence number or message counter: never the same twice with one key); for CBC
// it is unpredictable and `unique` is ignored.
void sealer_iv(struct sealer *s, uint64_t unique, uint8_t *iv);

// Brings the keys closer that a message of this length needs, which is soon to be sealed or opened.
void sealer_hint(const struct sealer *s, uint32_t text_len);

// Seals n messages in place: text becomes ciphertext, the ICV is written behind it.
// The IV must be there already.
void sealer_seal(struct sealer *s, struct seal_job *jobs, unsigned n);
// Opens n messages in place. `bad` is the verdict. Never reads or writes outside the drawing.
void sealer_open(struct sealer *s, struct seal_job *jobs, unsigned n);
