#include "conf/proposal_tab.h"

#include <stddef.h>

#define KEY_EXCHANGES "x25519-ecp256-ecp384-ecp521-modp3072-modp4096-modp2048"

#define AEAD "aes256gcm16-aes192gcm16-aes128gcm16-chacha20poly1305-prfsha256-prfsha384-prfsha512-"

// Every one of these is fine today (RFC 8247); the order is preference. First comes what also holds
// against whoever records today and has a quantum computer one day.
const char *const proposal_ike_default[] = {
    AEAD "x25519-ke1_mlkem768",
    AEAD KEY_EXCHANGES,
    "aes256-aes192-aes128-sha256-sha384-sha512-prfsha256-prfsha384-prfsha512-" KEY_EXCHANGES,
    NULL,
};

// No key exchange: the first CHILD_SA uses the IKE_SA's, a rekeying only if a group is named.
const char *const proposal_esp_default[] = {
    "aes256gcm16-aes192gcm16-aes128gcm16-chacha20poly1305-noesn",
    "aes256-aes192-aes128-sha256-sha384-sha512-noesn",
    NULL,
};

const char *const proposal_ah_default[] = {"sha256-sha384-sha512-noesn", NULL};

#define OLD "is too weak to be used (RFC 8247)"
#define LATER "is not supported yet"

const struct proposal_unknown proposal_unknowns[] = {
    {"des", OLD},
    {"blowfish*", OLD},
    {"cast128", OLD},
    {"serpent*", OLD},
    {"twofish*", OLD},
    {"camellia*", LATER},
    {"kyber*", "was replaced by ML-KEM"},
    {"frodo*", LATER},
    {"newhope*", "was never standardised"},
    {"ntru*", "was never standardised"},
    {NULL, NULL},
};
