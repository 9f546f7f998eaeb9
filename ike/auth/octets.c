#include "ike/auth/octets.h"

#include <stdlib.h>

#include "crypto/prf.h"

// IntAuth_iN | IntAuth_rN | Message ID of IKE_AUTH (RFC 9242 3.3.2); nothing without
// IKE_INTERMEDIATE.
static span_t intauth(const struct ike_sa *sa, uint8_t buf[INTAUTH_MAX])
{
    const struct opening *o = sa->opening;
    size_t len = prf_len(sa->keys.prf);
    wr_t w = wr_into(buf, INTAUTH_MAX);
    if (!o->rounds) return span(NULL, 0);
    wr_bytes(&w, span(o->covered[0], len));
    wr_bytes(&w, span(o->covered[1], len));
    wr_u32(&w, o->rounds + 1);
    return wr_span(&w);
}

err_t octets_of(const struct ike_sa *sa, bool initiators, span_t id_body,
                uint8_t between[INTAUTH_MAX], struct octets *out)
{
    const struct opening *o = sa->opening;
    bool ours = initiators == sa->initiator;
    // Each signs its own first message and the other's nonce.
    span_t message = blob_span(ours ? &o->ours : &o->theirs);
    span_t nonce = nonce_span(initiators ? &o->nr : &o->ni);
    const struct secret_key *sk_p = initiators ? &sa->keys.pi : &sa->keys.pr;
    return octets_make(sa->keys.prf, message, nonce, sk_p, id_body, intauth(sa, between), out);
}

err_t octets_copy(const struct octets *o, struct blob *out)
{
    size_t n = 0;
    for (unsigned i = 0; i < OCTETS_PARTS; i++) n += o->part[i].len;
    blob_done(out);
    out->at = malloc(n);
    if (!out->at) return ERR_NOMEM;
    out->len = n;
    wr_t w = wr_into(out->at, n);
    for (unsigned i = 0; i < OCTETS_PARTS; i++) wr_bytes(&w, o->part[i]);
    return wr_done(&w);
}
