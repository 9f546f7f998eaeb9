// rdata.h - what DNS says of somebody's keys: the data of IPSECKEY records (RFC 4025) and of CERT
// records (RFC 4398). Whether to believe them is for DNSSEC to say (dnssec.h).
#pragma once

#include "cred/pubkey.h"

#define RDATA_IPSECKEY 45 // types of records
#define RDATA_CERT 37

// rfc4025 2.3: of the field `gateway`, which is where packets shall go: read, and not used, since
// that is what the configuration says.
enum ipseckey_gateway {
    IPSECKEY_GATEWAY_NONE,
    IPSECKEY_GATEWAY_IP4,
    IPSECKEY_GATEWAY_IP6,
    IPSECKEY_GATEWAY_NAME, // as on the wire, its length bytes included
};

enum ipseckey_algorithm {
    IPSECKEY_NONE, // no key is present
    IPSECKEY_DSA,
    IPSECKEY_RSA,   // RFC 3110
    IPSECKEY_ECDSA, // as DNSSEC has them (RFC 6605): two coordinates of P-256 or P-384
    IPSECKEY_EDDSA, // RFC 9373: Ed25519 or Ed448
};

struct ipseckey {
    uint8_t precedence; // the lower, the earlier
    uint8_t gateway_type, algorithm;
    span_t gateway, key; // borrowed
};

// Errors: ERR_SHORT, ERR_SYNTAX (a name that is compressed or too long, a key where there is none,
// none where there is one), ERR_UNSUPPORTED (type of gateway: then nobody knows where the key is).
err_t ipseckey_read(span_t rdata, struct ipseckey *out);
// Its key. Errors, with a sentence: ERR_UNSUPPORTED (DSA, unknown), ERR_SYNTAX, and those of
// pubkey_from_spki().
err_t ipseckey_pubkey(const struct ipseckey *k, struct pubkey **out, struct why *why);

enum cert_rr_type { CERT_RR_PKIX = 1 }; // the others are not X.509, or say where there is one
struct cert_rr {
    uint16_t type, key_tag;
    uint8_t algorithm;
    span_t data; // borrowed
};
// Errors: ERR_SHORT, ERR_SYNTAX (there is no certificate in it).
err_t cert_rr_read(span_t rdata, struct cert_rr *out);
