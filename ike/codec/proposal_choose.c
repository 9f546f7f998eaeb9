// proposal_choose.c - which suite, if any, two lists of proposals have in common (RFC 7296 2.7,
// 3.3.6). One transform of each type; id 0 (NONE, "no ESN") and an absent type mean the same.
#include "ike/codec/proposal.h"

#define TYPE_LAST ALG_ADDKE7

static bool type_known(uint8_t type)
{
    return type >= ALG_ENCR && type <= TYPE_LAST;
}

// May "nothing" stand for this type? ENCR and PRF have no NONE.
static bool type_may_be_none(uint8_t type)
{
    return type == ALG_INTEG || type >= ALG_KE;
}

static bool transform_eq(const struct transform *a, const struct transform *b)
{
    return a->type == b->type && a->id == b->id && a->key_len == b->key_len;
}

static const struct transform *transform_find(const struct proposal *p,
                                              const struct transform *like)
{
    for (unsigned i = 0; i < p->n; i++) {
        if (!p->t[i].unusable && transform_eq(&p->t[i], like)) return &p->t[i];
    }
    return NULL;
}

// Does p allow that there is nothing of this type?
static bool allows_none(const struct proposal *p, uint8_t type)
{
    const struct transform none = {.type = type};
    if (!type_may_be_none(type)) return false;
    return !proposal_get(p, type) || transform_find(p, &none);
}

static bool cipher_is_aead(const struct transform *t)
{
    const struct alg *a = alg_find(ALG_ENCR, t->id, t->key_len);
    return a && a->aead;
}

static bool cipher_hides(const struct transform *t)
{
    const struct alg *a = alg_find(ALG_ENCR, t->id, t->key_len);
    return a && !a->clear;
}

// Would this INTEG do beside the cipher? NULL: none at all.
// rfc7296 3.3 MUST: a combined-mode cipher has no integrity algorithm but NONE.
// rfc8221 4 MUST NOT: encryption without authentication.
static bool integ_fits(const struct transform *encr, const struct transform *integ)
{
    bool none = !integ || integ->id == INTEG_NONE;
    return encr && cipher_is_aead(encr) ? none : !none;
}

static void suite_add(struct proposal *suite, const struct transform *t)
{
    suite->t[suite->n++] = (struct transform){.type = t->type, .id = t->id, .key_len = t->key_len};
}

// rfc9370 2.2.1 MUST NOT: one key exchange method twice; doing without one may be said often.
static bool ke_is_taken(const struct proposal *suite, uint16_t id)
{
    for (unsigned i = 0; i < suite->n; i++) {
        const struct transform *t = &suite->t[i];
        if ((t->type == ALG_KE || t->type >= ALG_ADDKE1) && t->id == id && id != KE_NONE)
            return true;
    }
    return false;
}

// The first transform of a type, in our order, that both have; for INTEG one that fits the cipher.
static bool type_choose(const struct proposal *ours, const struct proposal *theirs, uint8_t type,
                        struct proposal *suite)
{
    const struct transform *encr = proposal_get(suite, ALG_ENCR);
    for (unsigned i = 0; i < ours->n; i++) {
        const struct transform *t = &ours->t[i];
        if (t->type != type || !transform_find(theirs, t)) continue;
        if (type == ALG_INTEG && !integ_fits(encr, t)) continue;
        if (type >= ALG_ADDKE1 && ke_is_taken(suite, t->id)) continue;
        suite_add(suite, t);
        return true;
    }
    if (!allows_none(ours, type) || !allows_none(theirs, type)) return false;
    if (type == ALG_INTEG && !integ_fits(encr, NULL)) return false;
    // rfc7296 2.7 MUST: exactly one transform of each type that was offered, NONE included
    const struct transform none = {.type = type};
    if (transform_find(theirs, &none)) suite_add(suite, &none);
    return true;
}

// Does the protocol use the type at all (RFC 7296 3.3.3)?
static bool type_of_protocol(uint8_t protocol, uint8_t type)
{
    switch (protocol) {
    case PROTO_IKE:
        return type != ALG_ESN;
    case PROTO_ESP:
        return type != ALG_PRF;
    case PROTO_AH:
        return type != ALG_ENCR && type != ALG_PRF;
    default:
        return false;
    }
}

// rfc7296 3.3.6 MUST: a proposal with a transform type we do not understand is unacceptable.
static bool types_acceptable(const struct proposal *p)
{
    for (unsigned i = 0; i < p->n; i++) {
        if (!type_known(p->t[i].type) || !type_of_protocol(p->protocol, p->t[i].type)) return false;
    }
    return true;
}

// The initiator had to leave the type out or say NONE (RFC 7296 1.2); NONE wants to be repeated.
static void ke_ignore(const struct proposal *theirs, uint8_t type, struct proposal *suite)
{
    const struct transform none = {.type = type};
    if (transform_find(theirs, &none)) suite_add(suite, &none);
}

// All types of the protocol for one choice of cipher (NULL: AH, which has none).
static bool suite_choose(const struct proposal *ours, const struct proposal *theirs,
                         const struct transform *encr, bool ignore_ke, struct proposal *suite)
{
    suite->n = 0;
    if (encr) suite_add(suite, encr);
    for (uint8_t type = ALG_PRF; type <= TYPE_LAST; type++) {
        if (!type_of_protocol(ours->protocol, type)) continue;
        if (ignore_ke && (type == ALG_KE || type >= ALG_ADDKE1)) {
            ke_ignore(theirs, type, suite);
            continue;
        }
        if (!type_choose(ours, theirs, type, suite)) return false;
    }
    // rfc7296 3.3.3: an IKE SA cannot be without a key exchange
    const struct transform *ke = proposal_get(suite, ALG_KE);
    return ours->protocol != PROTO_IKE || (ke && ke->id != KE_NONE);
}

// One of our proposals against one of theirs. The cipher is chosen first, in our order; the next
// one gets its turn when the rest does not fit (combined-mode and plain ciphers mixed).
static bool pair_choose(const struct proposal *ours, const struct proposal *theirs, bool ignore_ke,
                        struct proposal *suite)
{
    if (ours->protocol != theirs->protocol || !types_acceptable(theirs)) return false;
    // rfc4303 2.1 MUST NOT: SPI zero is never on the wire
    if (theirs->spi_len == 4 && theirs->spi == 0) return false;
    if (ours->protocol == PROTO_AH) return suite_choose(ours, theirs, NULL, ignore_ke, suite);
    for (unsigned i = 0; i < ours->n; i++) {
        const struct transform *t = &ours->t[i];
        if (t->type != ALG_ENCR || !transform_find(theirs, t)) continue;
        // rfc7296 5 MUST NOT: ENCR_NULL as the cipher of an IKE SA; rfc4543 9: nor GMAC
        if (ours->protocol == PROTO_IKE && !cipher_hides(t)) continue;
        if (suite_choose(ours, theirs, t, ignore_ke, suite)) return true;
    }
    return false;
}

err_t proposal_choose(const struct proposals *ours, const struct proposals *theirs, bool ignore_ke,
                      struct proposal *chosen)
{
    for (unsigned i = 0; i < ours->n; i++) {
        for (unsigned j = 0; j < theirs->n; j++) {
            const struct proposal *peer = &theirs->p[j];
            struct proposal suite = {.number = peer->number,
                                     .protocol = peer->protocol,
                                     .spi_len = peer->spi_len,
                                     .spi = peer->spi};
            if (!pair_choose(&ours->p[i], peer, ignore_ke, &suite)) continue;
            *chosen = suite;
            return ERR_OK;
        }
    }
    return ERR_NOCHOICE;
}

static unsigned rank_in(const struct proposal *theirs, const struct transform *t)
{
    const struct transform *at = transform_find(theirs, t);
    return at ? (unsigned)(at - theirs->t) : theirs->n;
}

// By insertion, so that what the peer does not name stays in our order.
static void order_as(struct proposal *ours, const struct proposal *theirs)
{
    unsigned rank[PROPOSAL_TRANSFORMS_MAX];
    for (unsigned i = 0; i < ours->n; i++) {
        const struct transform t = ours->t[i];
        unsigned at = i, mine = rank_in(theirs, &t);
        for (; at > 0 && rank[at - 1] > mine; at--) {
            ours->t[at] = ours->t[at - 1];
            rank[at] = rank[at - 1];
        }
        ours->t[at] = t;
        rank[at] = mine;
    }
}

err_t proposal_choose_theirs(struct proposals *ours, const struct proposals *theirs, bool ignore_ke,
                             struct proposal *chosen)
{
    for (unsigned j = 0; j < theirs->n; j++) {
        struct proposals one = {.n = 1};
        one.p[0] = theirs->p[j];
        for (unsigned i = 0; i < ours->n; i++) order_as(&ours->p[i], &one.p[0]);
        if (proposal_choose(ours, &one, ignore_ke, chosen) == ERR_OK) return ERR_OK;
    }
    return ERR_NOCHOICE;
}

// rfc7296 2.7 MUST: one transform of each type; each of them ours.
static bool answer_is_ours(const struct proposal *offer, const struct proposal *answer)
{
    for (unsigned i = 0; i < answer->n; i++) {
        const struct transform *t = &answer->t[i];
        bool offered = transform_find(offer, t);
        bool nothing = t->id == 0 && t->key_len == 0 && allows_none(offer, t->type);
        if (t->unusable || (!offered && !nothing)) return false;
        if (proposal_get(answer, t->type) != t) return false; // a second one of its type
    }
    return true;
}

err_t proposal_check_answer(const struct proposals *offered, const struct proposals *answer,
                            struct proposal *chosen)
{
    if (answer->n != 1) return ERR_NOCHOICE;
    const struct proposal *a = &answer->p[0];
    for (unsigned i = 0; i < offered->n; i++) {
        const struct proposal *o = &offered->p[i];
        // rfc7296 3.3.1 MUST: the number is that of the proposal which was accepted
        if (o->number != a->number || o->spi_len != a->spi_len) continue;
        struct proposal suite = {
            .number = a->number, .protocol = a->protocol, .spi_len = a->spi_len, .spi = a->spi};
        if (!answer_is_ours(o, a) || !pair_choose(o, a, false, &suite)) continue;
        *chosen = suite;
        return ERR_OK;
    }
    return ERR_NOCHOICE;
}
