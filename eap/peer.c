// peer.c - the side that is asked (RFC 3748 4).
#include <string.h>

#include "eap/method.h"

static void on_identity(struct eap *e, uint8_t id)
{
    char text[ID_TEXT_MAX];
    span_t us = id_name(&e->terms.us, text);
    wr_t w = packet_begin(e, EAP_CODE_RESPONSE, id, EAP_IDENTITY);
    wr_bytes(&w, us);
    packet_end(e, &w);
    eap_say(e, "server requested EAP_IDENTITY (id 0x%02X), sending '%.180s'", id,
            id_show(&e->terms.us, text));
}

// rfc3748 5.2 MUST: answered, and of no consequence. What it says is the server's word before it
// has proved anything, so it is not told.
static void on_notification(struct eap *e, uint8_t id)
{
    wr_t w = packet_begin(e, EAP_CODE_RESPONSE, id, EAP_NOTIFICATION);
    packet_end(e, &w);
}

// rfc3748 5.3.1: the methods that we would do.
static void nak(struct eap *e, uint8_t id)
{
    const struct eap_terms *t = &e->terms;
    char name[EAP_NAME_MAX];
    unsigned n = 0;
    wr_t w = packet_begin(e, EAP_CODE_RESPONSE, id, EAP_NAK);
    const uint8_t *types = t->method != EAP_ANY ? &t->method : t->order;
    unsigned types_n = t->method != EAP_ANY ? 1 : t->order_n;
    for (unsigned i = 0; i < types_n; i++) {
        const struct eap_method *m = eap_method_of(types[i]);
        if (!m || !eap_may(e, m)) continue;
        wr_u8(&w, m->type);
        n++;
    }
    if (!n) wr_u8(&w, 0);
    packet_end(e, &w);
    if (t->method != EAP_ANY)
        eap_say(e, "requesting %s authentication, sending EAP_NAK", eap_name(t->method, name));
    if (t->method == EAP_ANY) eap_say(e, "EAP method not supported, sending EAP_NAK");
}

static void on_method(struct eap *e, const struct eap_method *m, uint8_t id, span_t body)
{
    wr_t w = packet_begin(e, EAP_CODE_RESPONSE, id, m->type);
    e->method = m;
    e->begun = true;
    err_t err = m->answer(e, body, &w);
    if (err == ERR_OK) {
        packet_end(e, &w);
        return;
    }
    eap_fail(e, "a message of %s: %s", m->name, err_text(err));
}

static void on_request(struct eap *e, uint8_t id, span_t body)
{
    char name[EAP_NAME_MAX];
    rd_t r = rd_from(body);
    uint8_t type = rd_u8(&r);
    const struct eap_method *m = eap_method_of(type);
    e->id = id;
    if (r.bad || (e->begun && type != e->method->type && type != EAP_NOTIFICATION)) {
        eap_fail(e, "the server changes to another method (%u) in the middle of one", type);
    } else if (type == EAP_IDENTITY) {
        on_identity(e, id);
    } else if (type == EAP_NOTIFICATION) {
        on_notification(e, id);
    } else {
        if (!e->begun)
            eap_say(e, "server requested %s authentication (id 0x%02X)", eap_name(type, name), id);
        bool may = m && (e->begun || eap_may(e, m)); // one that is under way has been judged
        if (may) on_method(e, m, id, rd_rest(&r));
        if (!may) nak(e, id);
    }
}

// rfc3748 4.2: a Success that no method stands behind is anybody's.
static void on_success(struct eap *e)
{
    if (!e->done) {
        eap_fail(e, "the server says that EAP has succeeded, before it has");
        return;
    }
    e->state = EAP_SUCCEEDED;
    eap_say(e, "EAP method %s succeeded, %sMSK established", e->method->name,
            e->msk_len ? "" : "no ");
}

void peer_take(struct eap *e, uint8_t code, uint8_t id, span_t body)
{
    if (code == EAP_CODE_REQUEST) {
        on_request(e, id, body);
    } else if (code == EAP_CODE_SUCCESS) {
        on_success(e);
    } else if (code == EAP_CODE_FAILURE) {
        eap_say(e, "received EAP_FAILURE, EAP authentication failed");
        eap_fail(e, "the server does not believe us: is the password, or the certificate, of the "
                    "identity in eap_id?");
    } else {
        eap_fail(e, "a packet of EAP has the code %u", code);
    }
}
