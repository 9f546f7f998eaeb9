// sim_store.h - struct simcards, as the methods use it. Inside eap/ only.
#pragma once

#include "cred/id.h"
#include "eap/sim.h"
#include "eap/sim_keys.h"

#define SIM_RAND_LEN 16
#define SIM_SRES_LEN 4
#define SIM_KC_LEN 8
#define SIM_MEMORIES_MAX 4096 // identities with names or numbers; the longest unused goes
#define SIM_COUNTER_MAX 1000  // of fast reauthentications; then a full one

struct sim_triplet {
    uint8_t rand[SIM_RAND_LEN], sres[SIM_SRES_LEN], kc[SIM_KC_LEN];
};

struct sim_name {
    uint16_t len;
    uint8_t at[ID_MAX];
};
static inline span_t sim_name_span(const struct sim_name *n)
{
    return span(n->at, n->len);
}
err_t sim_name_set(struct sim_name *n, span_t text); // ERR_RANGE: empty, or too long

// Whose memory of whom: a server's of a peer, or a peer's own; by a method.
struct sim_owner {
    bool server;
    uint8_t type;
    span_t who; // the permanent identity
};

struct sim_memory {
    struct sim_name pseudonym, again; // empty: none
    struct sim_keys keys;             // for `again`
    uint16_t counter;                 // the next one; peer: the least that it takes
};

// n different ones that the identity has, not those of the last time if there are others.
// ERR_NOTFOUND.
err_t sim_triplets_pick(struct simcards *s, span_t who, unsigned n, struct sim_triplet *out);
err_t sim_triplet_of(struct simcards *s, span_t who, const uint8_t rand[SIM_RAND_LEN],
                     struct sim_triplet *out); // ERR_NOTFOUND
bool sim_has_triplets(struct simcards *s, span_t who);

bool sim_recall(struct simcards *s, const struct sim_owner *o, struct sim_memory *out);
// A pseudonym that is empty leaves the one that there is. Out of memory it is forgotten.
void sim_keep(struct simcards *s, const struct sim_owner *o, const struct sim_memory *m);
// The name for reauthentication has been used.
void sim_spend(struct simcards *s, const struct sim_owner *o);
// Server: whose name is it? type 0: of any method. ERR_NOTFOUND.
err_t sim_find(struct simcards *s, uint8_t type, span_t name, struct sim_name *who);

// Network: the next sequence number of the identity; and what its USIM has said that it is at.
uint64_t sim_number_next(struct simcards *s, span_t who, uint64_t now_s);
void sim_number_said(struct simcards *s, span_t who, uint64_t number);
// USIM: takes a number if it is later than the last one. false: *at is that.
bool sim_number_take(struct simcards *s, span_t who, uint64_t number, uint64_t *at);
