#include "ike/auth/psk.h"

#include "crypto/prf.h"
#include "ike/auth/octets.h"
#include "ike/sa/diplomat.h"

err_t psk_prove(const struct ike_sa *sa, const struct psk_claim *claim, uint8_t out[64])
{
    uint8_t between[INTAUTH_MAX];
    struct octets octets;
    struct secret psk;
    TRY(octets_of(sa, claim->initiators, claim->id_body, between, &octets));
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
