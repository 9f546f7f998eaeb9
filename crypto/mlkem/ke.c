// ML-KEM as a key exchange (draft-ietf-ipsecme-ikev2-mlkem): the initiator's public value is the
// encapsulation key, the answer to it the ciphertext.
#include <stdlib.h>
#include <string.h>

#include "crypto/alg.h"
#include "crypto/ke_kind.h"
#include "crypto/mlkem/mlkem.h"
#include "crypto/rng.h"

_Static_assert(KE_PUBLIC_MAX >= MLKEM_EK_MAX && KE_PUBLIC_MAX >= MLKEM_CT_MAX, "public values fit");

struct ke_private {
    const struct mlkem *set;
    uint8_t dk[MLKEM_DK_MAX];
};

static const struct mlkem *set_of(uint16_t method)
{
    return method == KE_MLKEM_512    ? mlkem_of(512)
           : method == KE_MLKEM_768  ? mlkem_of(768)
           : method == KE_MLKEM_1024 ? mlkem_of(1024)
                                     : NULL;
}

static bool kem_can(uint16_t method)
{
    return set_of(method) != NULL;
}

static err_t kem_make(struct ke *ke)
{
    struct ke_private *own = calloc(1, sizeof *own);
    uint8_t seeds[2][MLKEM_SEED];
    if (!own) return ERR_NOMEM;
    ke->private = own;
    own->set = set_of(ke->method);
    rng_fill(seeds, sizeof seeds);
    mlkem_keygen(own->set, seeds[0], seeds[1], ke->public, own->dk);
    ke->public_len = own->set->ek_len;
    wipe(seeds, sizeof seeds);
    return ERR_OK;
}

static err_t kem_finish(struct ke *ke, span_t peer, struct secret *shared)
{
    const struct ke_private *own = ke->private;
    err_t e = mlkem_decaps(own->set, own->dk, peer.at, peer.len, shared->at);
    shared->len = e == ERR_OK ? MLKEM_SHARED : 0;
    return e;
}

static err_t kem_answer(uint16_t method, span_t peer, uint8_t *answer, size_t *answer_len,
                        struct secret *shared)
{
    const struct mlkem *set = set_of(method);
    uint8_t m[MLKEM_SEED];
    if (!set) return ERR_ALGORITHM;
    rng_fill(m, sizeof m);
    err_t e = mlkem_encaps(set, peer.at, peer.len, m, answer, shared->at);
    *answer_len = set->ct_len;
    shared->len = e == ERR_OK ? MLKEM_SHARED : 0;
    wipe(m, sizeof m);
    return e;
}

static void kem_drop(struct ke *ke)
{
    if (ke->private) wipe(ke->private, sizeof(struct ke_private));
    free(ke->private);
    ke->private = NULL;
}

const struct ke_kind ke_mlkem = {
    .name = "pavise",
    .can = kem_can,
    .make = kem_make,
    .finish = kem_finish,
    .answer = kem_answer,
    .drop = kem_drop,
};
