// relay.c - a server whose methods somebody else has: a RADIUS server (RFC 3579 2). What the peer
// says goes there, and what that says goes to the peer; we look at headers only.
#include "eap/relay.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "eap/method.h"

err_t eap_relay_begin(struct eap *e, const char *prefix, struct eap_name_is *out)
{
    char text[ID_TEXT_MAX];
    span_t name = id_name(&e->peer, text);
    wr_t w = wr_into(out->packet, sizeof out->packet);
    e->said_n = 0;
    e->out_len = 0;
    e->relayed = true;
    e->state = EAP_RUNS;
    wr_u8(&w, EAP_CODE_RESPONSE);
    wr_u8(&w, e->id);
    wr_u16(&w, 0);
    wr_u8(&w, EAP_IDENTITY);
    wr_bytes(&w, span_str(prefix));
    wr_bytes(&w, name);
    out->len = wr_len(&w);
    if (wr_done(&w) != ERR_OK) return ERR_SPACE;
    put16(out->packet + 2, (uint16_t)out->len);
    return ERR_OK;
}

bool eap_is_relayed(const struct eap *e)
{
    return e->relayed;
}

bool eap_relay_take(struct eap *e, span_t packet)
{
    rd_t r = rd_from(packet);
    uint8_t code = rd_u8(&r), id = rd_u8(&r);
    uint16_t len = rd_u16(&r);
    e->said_n = 0;
    e->out_len = 0;
    bool fits = !r.bad && len == packet.len && rd_left(&r) > 0 && packet.len <= EAP_RELAY_MAX;
    fits = fits && e->state == EAP_RUNS && code == EAP_CODE_RESPONSE && id == e->id;
    // Who asks may be the server: then this is whose name it proves. rfc3748 5.1 MUST NOT: unasked,
    // or it would be another's name for what is proved already.
    bool named = fits && rd_u8(&r) == EAP_IDENTITY;
    if (named) fits = e->asks == EAP_IDENTITY && eap_identity(rd_rest(&r), &e->peer) == ERR_OK;
    if (fits) return true;
    eap_fail(e, packet.len > EAP_RELAY_MAX ? "a packet of EAP is longer than RADIUS can carry"
                                           : "a packet of EAP is no response to the last request");
    return false;
}

static err_t keep(struct eap *e, span_t packet)
{
    uint8_t *at = malloc(packet.len);
    if (!at) return ERR_NOMEM;
    memcpy(at, packet.at, packet.len);
    free(e->long_out);
    e->long_out = at;
    e->out_len = packet.len;
    return ERR_OK;
}

// Of a packet for the peer; 0: it is none.
static uint8_t code_of(span_t packet)
{
    rd_t r = rd_from(packet);
    uint8_t code = rd_u8(&r);
    (void)rd_u8(&r);
    uint16_t len = rd_u16(&r);
    bool asks = code == EAP_CODE_REQUEST;
    bool ends = code == EAP_CODE_SUCCESS || code == EAP_CODE_FAILURE;
    if (r.bad || len != packet.len || (asks && !rd_left(&r)) || !(asks || ends)) return 0;
    return code;
}

// Success or Failure, where the RADIUS server has put none into its answer (RFC 3579 2.6.3).
static void put_end(struct eap *e, uint8_t code)
{
    free(e->long_out);
    e->long_out = NULL;
    wr_t w = packet_begin(e, code, e->id, 0);
    packet_end(e, &w);
}

static void more(struct eap *e, span_t packet)
{
    if (code_of(packet) != EAP_CODE_REQUEST) {
        eap_fail(e, "the RADIUS server goes on without a request of EAP");
        return;
    }
    if (++e->rounds > EAP_ROUNDS_MAX) {
        eap_fail(e, "EAP has taken %u rounds and finds no end", e->rounds);
        return;
    }
    if (keep(e, packet) != ERR_OK) {
        eap_fail(e, "%s", err_text(ERR_NOMEM));
        return;
    }
    e->id = packet.at[1];
    uint8_t type = e->asks = packet.at[EAP_HEAD_LEN];
    if (type == e->relayed_type || type == EAP_NOTIFICATION) return;
    char name[EAP_NAME_MAX];
    e->relayed_type = type;
    eap_say(e, "the RADIUS server begins %s (id 0x%02X)", eap_name(type, name), e->id);
}

static void accepted(struct eap *e, span_t packet, span_t msk)
{
    char name[EAP_NAME_MAX];
    // rfc3579 2.6.3: words that contradict each other let nobody in; nor does who asks nothing.
    if ((packet.len && code_of(packet) != EAP_CODE_SUCCESS) || e->relayed_type < EAP_MD5) {
        eap_fail(e, "the RADIUS server accepts a client that has proved nothing by EAP");
        put_end(e, EAP_CODE_FAILURE);
        return;
    }
    // rfc5998 4 MUST: we have said that EAP proves us, too
    if (e->terms.alone && (!msk.len || !eap_may_be_alone(e->relayed_type))) {
        eap_fail(e,
                 "EAP-only authentication requires a mutual and MSK deriving EAP method, but %s "
                 "is not",
                 eap_name(e->relayed_type, name));
        put_end(e, EAP_CODE_FAILURE);
        return;
    }
    if (msk.len > sizeof e->msk) msk.len = sizeof e->msk;
    if (msk.len) memcpy(e->msk, msk.at, msk.len);
    e->msk_len = msk.len;
    if (packet.len) e->id = packet.at[1];
    put_end(e, EAP_CODE_SUCCESS);
    e->state = EAP_SUCCEEDED;
    eap_say(e, "EAP method %s succeeded, %sMSK established", eap_name(e->relayed_type, name),
            msk.len ? "" : "no ");
}

void eap_relay_give(struct eap *e, enum eap_state what, span_t packet, span_t msk)
{
    e->said_n = 0;
    if (e->state != EAP_RUNS) return;
    if (what == EAP_RUNS) {
        more(e, packet);
        return;
    }
    if (what == EAP_SUCCEEDED) {
        accepted(e, packet, msk);
        return;
    }
    eap_fail(e, "the RADIUS server refuses the client");
    if (code_of(packet) == EAP_CODE_FAILURE) e->id = packet.at[1];
    put_end(e, EAP_CODE_FAILURE);
}

void eap_relay_lose(struct eap *e, const char *why)
{
    e->said_n = 0;
    eap_fail(e, "%s", why);
}

uint8_t eap_relayed_type(const struct eap *e)
{
    return e->relayed_type;
}
