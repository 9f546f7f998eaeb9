// radius_fuzz.c - answers of a RADIUS server that has the secret: whatever it says, it is read
// within bounds, and a conversation by EAP ends with a key or a reason.
//
// The same packets are read as requests of RFC 5176, too.
//
// Packets, each behind two bytes that say its length.
#include <stdlib.h>
#include <string.h>

#include "eap/relay.h"
#include "radius/dae.h"
#include "radius/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

static void must(bool holds)
{
    if (!holds) abort();
}

static struct eap *talk_new(void)
{
    struct eap_terms t = {.server = true};
    struct eap_name_is name;
    must(id_parse("carol", &t.other, NULL) == ERR_OK);
    struct eap *e = eap_new(&t);
    must(e && eap_relay_begin(e, "", &name) == ERR_OK && name.len == 10);
    return e;
}

// As ike/auth/eap_relay.c has it; the peer answers with a packet of its method.
static void relay(struct eap *e, const struct radius_reply *r)
{
    enum eap_state what = r->code == RADIUS_ACCESS_CHALLENGE ? EAP_RUNS
                          : r->code == RADIUS_ACCESS_ACCEPT  ? EAP_SUCCEEDED
                                                             : EAP_FAILED;
    eap_relay_give(e, what, span(r->eap, r->eap_len), span(r->msk, r->msk_len));
    span_t packet = eap_packet(e);
    must(packet.len <= RADIUS_MAX && (packet.len || eap_state(e) == EAP_FAILED));
    if (eap_state(e) == EAP_RUNS) {
        const uint8_t answer[] = {2, packet.at[1], 0, 6, packet.at[4], 'x'};
        (void)eap_relay_take(e, SPAN(answer));
    }
    if (eap_state(e) == EAP_FAILED) must(eap_why(e)->text[0] && eap_msk(e).len == 0);
    if (eap_state(e) == EAP_SUCCEEDED) must(eap_relayed_type(e) > EAP_NAK);
}

// The other way round: it asks us to disconnect somebody.
static void ask(const struct radius_packet *p)
{
    static struct radius_whom whom;
    uint8_t buf[RADIUS_DAE_ANSWER_MAX];
    wr_t w = wr_into(buf, sizeof buf);
    enum radius_error error = radius_dae_read(p, &whom);
    if (error == RADIUS_DONE) must(whom.user.len || whom.session.len || whom.ip.family);
    must(radius_dae_answer(p, error, span(NULL, 0), &w) == ERR_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    static const uint8_t auth[RADIUS_AUTH_LEN] = {1, 2, 3};
    static struct radius_reply r;
    rd_t rd = rd_from(span(in, n));
    struct eap *e = talk_new();
    while (rd_left(&rd) > 2) {
        struct radius_packet p;
        size_t len = rd_u16(&rd);
        span_t bytes = rd_bytes(&rd, len < rd_left(&rd) ? len : rd_left(&rd));
        if (radius_open(bytes, &p) != ERR_OK) continue;
        (void)radius_verify(&p, auth, SPAN(auth));
        (void)radius_dae_open(bytes, SPAN(auth), 0, &p);
        ask(&p);
        if (radius_reply_read(&p, auth, SPAN(auth), &r) != ERR_OK) continue;
        must(r.msk_len == 0 || r.msk_len == RADIUS_MSK_LEN);
        must(r.eap_len < RADIUS_MAX && r.grant.class_n <= RADIUS_CLASSES_MAX);
        must(r.grant.dns_n <= RADIUS_DNS_MAX && r.grant.filter_n <= RADIUS_FILTERS_MAX);
        relay(e, &r);
    }
    eap_free(e);
    return 0;
}
