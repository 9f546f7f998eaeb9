// eap_fuzz.c - packets of EAP for a peer that would do every method, or for a server: whatever
// comes, it ends, and without a key unless both know the password.
//
// The first byte says which side and method; then pieces, each behind its length.
#include <stdlib.h>
#include <string.h>

#include "eap/eap.h"
#include "eap/method.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

static void must(bool holds)
{
    if (!holds) abort();
}

static void fixed(void *out, size_t n)
{
    memset(out, 7, n);
}

static err_t nobody(void *holder, const struct id *who, struct cert *const *chain, unsigned n,
                    struct why *why)
{
    (void)holder, (void)who, (void)chain, (void)n;
    return why_not(why, ERR_AUTH, "nobody is believed");
}

static struct eap *side_new(uint8_t what)
{
    static const uint8_t methods[] = {EAP_ANY, EAP_MD5,  EAP_GTC, EAP_MSCHAPV2,
                                      EAP_TLS, EAP_TTLS, EAP_PEAP};
    static const uint8_t more[] = {EAP_SIM, EAP_AKA, EAP_AKA_PRIME}; // of peers that do all
    struct eap_terms t = {.server = what & 1, .alone = what & 2, .random = fixed};
    t.method = methods[(what >> 2) % sizeof methods];
    t.tls.judge = nobody;
    must(id_parse("carol", t.server ? &t.other : &t.us, NULL) == ERR_OK);
    memcpy(t.order, methods + 1, t.order_n = sizeof methods - 1);
    memcpy(t.order + t.order_n, more, sizeof more);
    t.order_n += sizeof more;
    t.sim = simcards_new(1);
    t.sim_set = sim_settings_default();
    t.secrets = psk_store_new();
    must(t.secrets && psk_add(t.secrets, span_str("a password"), NULL, 0) == ERR_OK);
    struct eap *e = eap_new(&t);
    psk_store_free(t.secrets);
    simcards_free(t.sim);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    rd_t r = rd_from(span(in, n));
    uint8_t what = rd_u8(&r);
    struct eap *e = side_new(what);
    unsigned rounds = 0;
    must(e);
    if (what & 1) must((what & 0x80 ? eap_ask(e) : eap_begin(e)) != ERR_NOMEM);
    while (rd_left(&r) > 2 && eap_state(e) != EAP_FAILED) {
        size_t len = rd_u16(&r) % (EAP_TAKE_MAX + 100);
        eap_take(e, rd_bytes(&r, len < rd_left(&r) ? len : rd_left(&r)));
        must(++rounds <= EAP_ROUNDS_MAX + 1);
        must(eap_packet(e).len <= EAP_SEND_MAX);
        if (eap_state(e) == EAP_KNOWS && eap_begin(e) != ERR_OK) break;
    }
    if (eap_state(e) == EAP_FAILED) must(eap_msk(e).len == 0 && eap_why(e)->text[0]);
    eap_free(e);
    return 0;
}
