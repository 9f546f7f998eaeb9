// wireshark.h - the words for algorithms in Wireshark's key tables (ikev2_decryption_table,
// esp_sa). Spellings are those of Wireshark 4.0. Pure data, both ways.
#pragma once

#include "base/addr.h"
#include "base/text.h"
#include "ike/codec/proposal.h"

enum wireshark_table { WIRESHARK_IKE, WIRESHARK_ESP };

#define WIRESHARK_NAME_MAX 64
// The word for a cipher with a key of so many bits, for a MAC; NULL: Wireshark has none.
const char *wireshark_cipher(enum wireshark_table t, uint16_t encr, unsigned bits,
                             char buf[WIRESHARK_NAME_MAX]);
const char *wireshark_mac(enum wireshark_table t, uint16_t integ);
// The word in our own tables (pavise_ike, pavise_esp), for what Wireshark cannot read.
const char *wireshark_own(uint16_t encr, unsigned bits, char buf[WIRESHARK_NAME_MAX]);
// Of a MAC that is cut to another length (bytes) than its RFC says.
const char *wireshark_mac_cut(enum wireshark_table t, uint16_t integ, unsigned icv_len);

// A line of esp_sa, without its end. The words are those from above.
struct wireshark_esp {
    ip_t src, dst;
    uint32_t spi;
    const char *cipher, *mac;
    span_t cipher_key, mac_key; // salt included
};
void wireshark_esp_line(const struct wireshark_esp *sa, struct text *out);

// The other way. icv_len: bytes of the ICV where it is not the algorithm's own, else 0.
// ERR_ALGORITHM: a word that is not known, or of an algorithm that is not known here.
err_t wireshark_read_cipher(enum wireshark_table t, const char *word, uint16_t *encr);
err_t wireshark_read_mac(enum wireshark_table t, const char *word, uint16_t *integ,
                         uint16_t *icv_len);
