// bare.h - the bare libraries, as a program would use them that does nothing else: the yardstick of
// crypto_bench.c. Sealing only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum bare_kind { BARE_AES128_GCM, BARE_AES256_GCM, BARE_CHACHA, BARE_CBC_HMAC };

struct bare_spec {
    enum bare_kind kind;
    bool openssl; // else intel-ipsec-mb
    const uint8_t *key, *salt, *integ_key;
    uint32_t key_len;
};

struct bare_message {
    uint8_t *head, *iv, *text, *icv; // head: 8 bytes; the four stand behind each other
    uint32_t len;
};

struct bare;
struct bare *bare_new(const struct bare_spec *spec); // NULL: not on this machine
void bare_free(struct bare *b);
void bare_seal(struct bare *b, struct bare_message *m, unsigned n);
