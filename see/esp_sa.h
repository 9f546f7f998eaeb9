// esp_sa.h - an ESP SA, as its executor knows it, as a line of Wireshark's key table esp_sa: what
// keys.h reads. Whoever reads such lines reads the traffic.
#pragma once

#include "base/addr.h"
#include "base/text.h"

struct esp_sa {
    ip_t src, dst;
    uint32_t spi;
    // The kernel's names: "rfc4106(gcm(aes))", "hmac(sha256)". mac: "" with AEAD and for none.
    const char *cipher, *mac;
    unsigned icv_bits;          // of an AEAD cipher, or of the MAC; 0: as the kernel cuts it
    span_t cipher_key, mac_key; // salt included
};

// Appends the line, without its end. ERR_ALGORITHM: Wireshark 4.0 cannot decrypt it; nothing is
// appended.
err_t esp_sa_line(const struct esp_sa *sa, struct text *out);
// The same as a line of our own table pavise_esp, which takes every cipher.
err_t esp_sa_own_line(const struct esp_sa *sa, struct text *out);
