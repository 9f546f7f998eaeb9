#include "ike/auth/psk.h"

#include "crypto/prf.h"
#include "ike/sa/diplomat.h"

#define INTAUTH_MAX (2 * PRF_MAX + 4)

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

err_t psk_prove(const struct ike_sa *sa, const struct psk_claim *claim, uint8_t out[64])
{
    const struct opening *o = sa->opening;
    bool ours = claim->initiators == sa->initiator;
    // Each signs its own first message and the other's nonce.
    span_t message = blob_span(ours ? &o->ours : &o->theirs);
    span_t nonce = nonce_span(claim->initiators ? &o->nr : &o->ni);
    const struct secret *sk_p = claim->initiators ? &sa->keys.pi : &sa->keys.pr;
    uint8_t between[INTAUTH_MAX];
    struct octets octets;
    struct secret psk;
    TRY(octets_make(sa->keys.prf, message, nonce, sk_p, claim->id_body, intauth(sa, between),
                    &octets));
    TRY(psk_find(sa->ike->psk, claim->us, claim->peer, &psk));
    err_t err = auth_psk(sa->keys.prf, secret_span(&psk), &octets, out);
    secret_done(&psk);
    return err;
}

err_t psk_check(const struct ike_sa *sa, const struct psk_claim *claim, span_t proof)
{
    uint8_t want[64];
    TRY(psk_prove(sa, claim, want));
    size_t len = prf_len(sa->keys.prf);
    bool right = proof.len == len && equal_ct(want, proof.at, len);
    wipe(want, sizeof want);
    return right ? ERR_OK : ERR_AUTH;
}
