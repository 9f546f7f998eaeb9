// sim_triplets.h - the file of triplets: what a SIM answers to a few challenges. Inside eap/ only;
// one thread at a time.
#pragma once

#include "eap/sim_store.h"

struct sim_triplets;

err_t sim_triplets_read(const char *path, struct sim_triplets **out, struct why *why);
void sim_triplets_free(struct sim_triplets *t); // wipes; NULL is fine
unsigned sim_triplets_n(const struct sim_triplets *t);
// n different challenges of an identity, in turn. ERR_NOTFOUND: it has not so many.
err_t sim_triplets_next(struct sim_triplets *t, span_t who, unsigned n, struct sim_triplet *out);
// rand NULL: any.
err_t sim_triplets_find(const struct sim_triplets *t, span_t who, const uint8_t *rand,
                        struct sim_triplet *out);
