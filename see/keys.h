// keys.h - session keys out of Wireshark's tables, with which captured packets are opened:
//
//     ikev2_decryption_table   SPIi,SPIr,SK_ei,SK_er,"cipher",SK_ai,SK_ar,"integrity"
//     esp_sa                   "IPv4","source","destination","SPI","cipher","key","integrity","key"
//     pavise_auth              SPIi,SPIr,PRF,SK_pi,SK_pr        (our own: what AUTH is made with)
//     pavise_ike, pavise_esp   as the first two, for ciphers that Wireshark has no words for
//
// Lines that begin with '#' are comments. Pure but for memory.
#pragma once

#include "base/addr.h"
#include "base/secret.h"
#include "crypto/sealer.h"

#define KEYS_MAX 4096U // lines of one table; a sealer each
#define KEYS_ISSUES_MAX 16U

struct key_ike {
    uint64_t spi_i, spi_r;
    struct sealer *of[2];  // of what the initiator sends, of what the responder sends
    struct sealer *alt[2]; // where the table says "any MAC": the other one that it may be
};

struct key_esp {
    ip_t src, dst; // AF_UNSPEC: any
    uint32_t spi;
    bool any_spi;
    struct sealer *sealer, *alt;
};

struct key_auth {
    uint64_t spi_i, spi_r;
    uint16_t prf;
    struct secret_key pi, pr;
};

struct see_keys {
    unsigned ike_n, esp_n, auth_n, issue_n;
    struct key_ike *ike;
    struct key_esp *esp;
    struct key_auth *auth;
    struct why issue[KEYS_ISSUES_MAX]; // "esp_sa:3: ..." of lines that cannot be used
};

// Adds the lines of one table, whose name says which it is. Lines that cannot be used become
// issues. ERR_NOTFOUND: no such table. ERR_NOMEM.
err_t see_keys_read(struct see_keys *k, const char *table, span_t file);
// NULL: none. An IKE SA whose keys change while it is made (RFC 9242) has several; the next one
// after `after`, which is NULL for the first.
const struct key_ike *see_keys_ike(const struct see_keys *k, uint64_t spi_i, uint64_t spi_r,
                                   const struct key_ike *after);
const struct key_esp *see_keys_esp(const struct see_keys *k, const ip_t *src, const ip_t *dst,
                                   uint32_t spi);
// Each round of IKE_INTERMEDIATE may give new ones: those after `rounds` of them, or the newest.
const struct key_auth *see_keys_auth(const struct see_keys *k, uint64_t spi_i, uint64_t spi_r,
                                     unsigned rounds);
void see_keys_done(struct see_keys *k); // wipes
