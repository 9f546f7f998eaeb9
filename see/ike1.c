// ike1.c - IKE version 1 (RFC 2408, 2409): the header and the chain of payloads. Nobody should use
// it any more (RFC 9395), and what is inside is not taken apart.
#include <inttypes.h>

#include "see/talk.h"

#define FLAG_ENCRYPTED 1U
#define PAYLOADS_MAX 64U

static const char *exchange_word(uint8_t x)
{
    switch (x) {
    case 1:
        return "Base";
    case 2:
        return "Identity Protection (Main Mode)";
    case 4:
        return "Aggressive Mode";
    case 5:
        return "Informational";
    case 6:
        return "Transaction (Mode Config, XAUTH)";
    case 32:
        return "Quick Mode";
    case 33:
        return "New Group Mode";
    default:
        return "unknown exchange";
    }
}

static const char *payload_word(uint8_t type)
{
    static const char *const words[] = {
        [1] = "SA",  [2] = "Proposal",    [3] = "Transform", [4] = "KE",
        [5] = "ID",  [6] = "CERT",        [7] = "CERTREQ",   [8] = "HASH",
        [9] = "SIG", [10] = "Nonce",      [11] = "N",        [12] = "D",
        [13] = "V",  [14] = "Attributes", [20] = "NAT-D",    [21] = "NAT-OA"};
    const char *w = type < sizeof words / sizeof *words ? words[type] : NULL;
    return w ? w : "unknown";
}

static void chain_tell(struct note *n, rd_t r, uint8_t next)
{
    for (unsigned i = 1; next != 0 && i <= PAYLOADS_MAX; i++) {
        const char *word = payload_word(next);
        size_t left = rd_left(&r);
        next = rd_u8(&r);
        (void)rd_u8(&r);
        uint16_t len = rd_u16(&r);
        if (r.bad || len < 4 || (size_t)len > left) {
            note_fault(n, G_ERROR, "RFC 2408 3.2", NULL,
                       "payload %u (%s) breaks the message: %zu bytes are left for it", i, word,
                       left);
            return;
        }
        (void)rd_bytes(&r, len - 4U);
        (void)note_payload(n, word, "%u bytes", len - 4U);
    }
}

void tell_ike1(struct note *n, span_t wire)
{
    struct ike_header h;
    if (ike_header_read(wire, &h) != ERR_OK) return;
    note_set(n, "kind", "ike1");
    note_set(n, "exchange", "%s", exchange_word(h.exchange));
    note_number(n, "id", h.id);
    note_number(n, "length", h.length);
    note_set(n, "spi_i", "%016" PRIx64, h.spi_i);
    note_set(n, "spi_r", "%016" PRIx64, h.spi_r);
    note_fault(n, G_WARNING, "RFC 9395 3", "configure version = 2 on both sides",
               "this is IKE version 1, which is deprecated");
    if (h.length != wire.len) {
        note_fault(n, G_ERROR, "RFC 2408 3.1", NULL, "the header says %u bytes, %zu are there",
                   h.length, wire.len);
    }
    bool encrypted = h.flags & FLAG_ENCRYPTED;
    note_set(n, "protection", encrypted ? "encrypted" : "clear");
    if (encrypted) return;
    chain_tell(n, rd_from(span(wire.at + IKE_HEADER_LEN, wire.len - IKE_HEADER_LEN)), h.next);
}
