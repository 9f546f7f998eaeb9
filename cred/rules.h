// rules.h - which keys and hashes may sign: what swanctl.conf's "rsa-3072-sha384" means, for the
// signatures of a certificate chain and for that of an AUTH payload. Values; any thread.
#pragma once

#include "cred/pubkey.h"

// Zero means: any that is sound.
struct key_rules {
    uint8_t keys;        // set of 1 << enum key_kind
    hash_set_t hashes;   // SHA-1 only if it is named here
    bool pss;            // RSA only with PSS
    uint16_t rsa_bits;   // least size
    uint16_t ecdsa_bits; // least size of the field
};
// rfc8247 4.1.1 SHOULD NOT: RSA keys shorter than 2048 bits; who needs them says rsa-1024
#define RULES_RSA_BITS_MIN 2048

// Is the key of a kind and size that may sign? ERR_PERMISSION, and the reason as the end of a
// sentence: "an RSA key of 1024 bits, and at least 2048 are asked for".
err_t rules_key(const struct key_rules *r, const struct pubkey *k, struct why *why);
// May this scheme be used? ERR_PERMISSION in the same way.
err_t rules_scheme(const struct key_rules *r, const struct scheme *s, struct why *why);
