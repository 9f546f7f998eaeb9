#include "ike/auth/psk.h"

#include "crypto/prf.h"
#include "ike/sa/diplomat.h"

err_t psk_prove(const struct ike_sa *sa, const struct psk_claim *claim, uint8_t out[64])
{
    const struct opening *o = sa->opening;
    bool ours = claim->initiators == sa->initiator;
    // Each signs its own first message and the other's nonce.
    span_t message = blob_span(ours ? &o->ours : &o->theirs);
    span_t nonce = nonce_span(claim->initiators ? &o->nr : &o->ni);
    const struct secret *sk_p = claim->initiators ? &sa->keys.pi : &sa->keys.pr;
    struct secret psk;
    TRY(psk_find(sa->ike->psk, claim->us, claim->peer, &psk));
    err_t err =
        auth_psk(sa->keys.prf, secret_span(&psk), message, nonce, sk_p, claim->id_body, out);
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
