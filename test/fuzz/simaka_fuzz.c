// simaka_fuzz.c - packets of EAP-SIM, EAP-AKA and EAP-AKA' with a right AT_MAC, from somebody who
// knows the keys and still sends what he likes: to a peer or to a server that remember each other.
// Whatever comes, it ends, and nobody has a key who has not heard the right answer.
//
// The first byte says which side and method, and whether it is by a name that was given; then
// pieces behind their lengths, the first byte of each of which says what becomes of it.
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "eap/method.h"
#include "eap/simaka.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

#define NOW 1800000000U
#define NAME "0123456789abcdef0123456789abcdef"

static void must(bool holds)
{
    if (!holds) abort();
}

static void fixed(void *out, size_t n)
{
    memset(out, 7, n);
}

// Names that somebody was given before, and the keys behind them.
static void remember(struct simcards *s, bool server, uint8_t type)
{
    const struct sim_owner o = {server, type, span_str("carol")};
    struct sim_memory m = {.counter = 3, .keys = {.prime = type == EAP_AKA_PRIME}};
    must(sim_name_set(&m.again, span_str(NAME)) == ERR_OK);
    must(sim_name_set(&m.pseudonym, span_str("nobody")) == ERR_OK);
    sim_keep(s, &o, &m);
}

static struct eap *side_new(uint8_t what)
{
    static const uint8_t methods[] = {EAP_SIM, EAP_AKA, EAP_AKA_PRIME};
    uint8_t type = methods[(what >> 1) % sizeof methods];
    struct eap_terms t = {.server = what & 1, .method = type, .random = fixed, .now_s = NOW};
    must(id_parse("carol", t.server ? &t.other : &t.us, NULL) == ERR_OK);
    t.secrets = psk_store_new();
    must(t.secrets && psk_add(t.secrets, span_str("Ar3etTnp01qlpOgb"), NULL, 0) == ERR_OK);
    t.sim = simcards_new(1);
    must(t.sim);
    t.sim_set = sim_settings_default();
    t.sim_set.pseudonyms = t.sim_set.reauth = what & 0x80;
    if (what & 0x80) remember(t.sim, t.server, type);
    struct eap *e = eap_new(&t);
    psk_store_free(t.secrets);
    simcards_free(t.sim);
    must(e);
    return e;
}

// A packet around the piece: right in its header, and with AT_MAC by the keys that the other side
// has by now, so that what is behind that check is reached.
static span_t packet_of(struct eap *e, uint8_t what, span_t body, uint8_t *room, size_t size)
{
    struct simaka *m = e->own.simaka;
    wr_t w = wr_into(room, size);
    bool server = e->terms.server;
    wr_u8(&w, server ? EAP_CODE_RESPONSE : EAP_CODE_REQUEST);
    wr_u8(&w, server ? e->id : (uint8_t)(e->id + 1));
    wr_u16(&w, 0);
    wr_u8(&w, e->terms.method);
    wr_bytes(&w, body);
    const span_t extra[] = {span(NULL, 0), span(m ? m->nonce : NULL, m ? SIM_NONCE_LEN : 0),
                            span(m ? m->sres : NULL, m ? sizeof m->sres : 0)};
    if (m && what & 1) must(sim_put_mac(&w, &m->keys, extra[(what >> 1) % 3]) == ERR_OK);
    sim_end(&w);
    return wr_span(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    static uint8_t room[EAP_TAKE_MAX];
    rd_t r = rd_from(span(in, n));
    uint8_t side = rd_u8(&r);
    struct eap *e = side_new(side);
    unsigned rounds = 0;
    if (side & 1) must(eap_begin(e) == ERR_OK);
    while (rd_left(&r) > 3 && eap_state(e) == EAP_RUNS) {
        uint8_t what = rd_u8(&r);
        size_t len = rd_u16(&r) % (EAP_TAKE_MAX - 100);
        span_t body = rd_bytes(&r, len < rd_left(&r) ? len : rd_left(&r));
        span_t packet = what & 0x80 ? body : packet_of(e, what, body, room, sizeof room);
        uint8_t *copy = malloc(packet.len ? packet.len : 1);
        must(copy);
        if (packet.len) memcpy(copy, packet.at, packet.len);
        eap_take(e, span(copy, packet.len));
        free(copy);
        must(++rounds <= EAP_ROUNDS_MAX + 1);
        must(eap_packet(e).len <= EAP_SEND_MAX);
    }
    if (eap_state(e) == EAP_FAILED) must(eap_msk(e).len == 0 && eap_why(e)->text[0]);
    if (eap_state(e) == EAP_SUCCEEDED) must(eap_msk(e).len == SIM_MSK_LEN);
    eap_free(e);
    return 0;
}
