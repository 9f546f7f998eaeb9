// broken.c - a message that msg_read() refuses: payload by payload up to the one that breaks it.
#include <stdio.h>

#include "see/talk.h"

#define GENERIC_LEN 4

static const char *payload_word(uint8_t type, char buf[24])
{
    static const char *const words[] = {"SA",   "KE",    "IDi", "IDr", "CERT", "CERTREQ",
                                        "AUTH", "Nonce", "N",   "D",   "V",    "TSi",
                                        "TSr",  "SK",    "CP",  "EAP"};
    if (type == PAYLOAD_SKF) return "SKF";
    if (type >= PAYLOAD_SA && type <= PAYLOAD_EAP) return words[type - PAYLOAD_SA];
    (void)snprintf(buf, 24, "payload %u", type);
    return buf;
}

// Puts the payload to those that can be told of.
static void keep(struct hearing *h, uint8_t type, span_t body)
{
    if (h->m->n == MSG_PAYLOADS_MAX) return;
    h->m->payload[h->m->n++] = (struct payload){.type = type, .body = body};
}

static void walk(struct hearing *h, rd_t r, uint8_t next)
{
    char buf[24];
    for (unsigned i = 1; next != PAYLOAD_NONE && i <= MSG_PAYLOADS_MAX; i++) {
        uint8_t type = next;
        const char *word = payload_word(type, buf);
        size_t left = rd_left(&r);
        next = rd_u8(&r);
        (void)rd_u8(&r);
        uint16_t len = rd_u16(&r);
        if (r.bad || len < GENERIC_LEN || (size_t)len > left) {
            note_fault(&h->note, h->dug->cut ? G_NOTE : G_ERROR, "RFC 7296 3.2", NULL,
                       "payload %u (%s) breaks the message: %zu bytes are left for it, and it says "
                       "that it has %u",
                       i, word, left, len);
            return;
        }
        keep(h, type, rd_bytes(&r, len - GENERIC_LEN));
        if (type == PAYLOAD_SK || type == PAYLOAD_SKF) next = PAYLOAD_NONE;
    }
    if (next != PAYLOAD_NONE) {
        note_fault(&h->note, G_ERROR, "RFC 7296 3.2", NULL, "more than %d payloads",
                   MSG_PAYLOADS_MAX);
    } else if (rd_left(&r)) {
        note_fault(&h->note, G_ERROR, "RFC 7296 3.2", NULL,
                   "%zu bytes are left behind the last payload", rd_left(&r));
    }
}

void tell_broken(struct hearing *h, span_t wire, err_t err)
{
    const struct ike_header *head = &h->m->h;
    struct ike_header kept = *head;
    if (err == ERR_SHORT && h->dug->cut) {
        note_fault(&h->note, G_NOTE, NULL, "capture with a longer snap length (tcpdump -s 0)",
                   "the capture holds %zu of %u bytes", wire.len, head->length);
    } else if (err == ERR_SHORT || head->length < IKE_HEADER_LEN) {
        note_fault(&h->note, G_ERROR, "RFC 7296 3.1", NULL,
                   "the header says %u bytes, the datagram has %zu", head->length, wire.len);
    }
    *h->m = (struct msg){.h = kept, .wire = wire};
    note_set(&h->note, "protection", "broken");
    walk(h, rd_from(span(wire.at + IKE_HEADER_LEN, wire.len - IKE_HEADER_LEN)), kept.next);
    tell_payloads(h);
}
