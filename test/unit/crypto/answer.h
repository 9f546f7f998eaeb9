// answer.h - a known answer of the sealer, put to both providers. Each message is sealed and opened
// alone and in a burst, since a provider may treat the two differently.
#pragma once

#include "crypto/sealer.h"

// A message as a vector has it.
struct answer {
    struct sealer_spec spec; // with keys
    span_t head, iv, clear, sealed, icv;
    bool esn;
    uint32_t esn_hi;
    bool good; // false: must be refused
};

// a | b, in `to`.
span_t answer_join(uint8_t *to, span_t a, span_t b);
// Through all providers that this machine has and that do the algorithms; OpenSSL always.
void answer_check(struct answer *a);
// Says how many answers each provider gave so far, and fails if these are not the numbers. A
// machine may lack ipsecmb.
void answer_counts(unsigned openssl, unsigned ipsecmb);
