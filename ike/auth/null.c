#include "ike/auth/null.h"

#include <string.h>

#include "crypto/prf.h"
#include "ike/auth/octets.h"
#include "ike/sa/diplomat.h"

bool null_is_peer(const struct ike_sa *sa)
{
    return sa->conn && sa->conn->conf.remote.auth == CONF_AUTH_NULL;
}

err_t null_may_come(const struct ike_sa *sa, struct why *why)
{
    const struct ike *ike = sa->ike;
    unsigned all = ike->nobodies, host = 0;
    for (struct ike_sa *other = NULL; (other = ike_sa_of_host(ike, &sa->remote.ip, other));) {
        host += other != sa && other->state == IKE_UP && null_is_peer(other);
    }
    if (all < NULL_PEERS_MAX && host < NULL_PEERS_HOST_MAX) return ERR_OK;
    return why_not(why, ERR_AUTH,
                   "there are %u peers that have not proved who they are, %u of "
                   "them at this address; more are not let in",
                   all, host);
}

struct id null_id(const struct ike_sa *sa)
{
    uint64_t spi = ike_sa_spi(sa);
    struct id id = {.type = ID_NULL, .len = sizeof spi};
    memcpy(id.data, &spi, sizeof spi);
    return id;
}

err_t null_prove(const struct ike_sa *sa, bool initiators, span_t id_body, uint8_t out[64])
{
    const struct secret_key *key = initiators ? &sa->keys.pi : &sa->keys.pr;
    uint8_t between[INTAUTH_MAX];
    struct octets octets;
    TRY(octets_of(sa, initiators, id_body, between, &octets));
    // rfc7619 2.1 MUST: SK_pi and SK_pr in the place of a pre-shared key
    return auth_psk(sa->keys.prf, secret_key_span(key), &octets, out);
}

err_t null_check(const struct ike_sa *sa, bool initiators, span_t id_body, span_t proof)
{
    uint8_t want[64];
    TRY(null_prove(sa, initiators, id_body, want));
    size_t len = prf_len(sa->keys.prf);
    bool right = proof.len == len && equal_ct(want, proof.at, len);
    wipe(want, sizeof want);
    return right ? ERR_OK : ERR_AUTH;
}
