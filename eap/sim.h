// sim.h - what EAP-SIM and EAP-AKA know beyond a conversation: triplets, names that stand for
// others, the keys behind those, and sequence numbers. In memory: who begins anew authenticates in
// full. Any thread may use it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define SIM_TRIPLETS_FILE "/etc/ipsec.d/triplets.dat" // strongSwan's eap-sim-file
#define SIM_TRIPLETS_MAX 20000                        // lines

// Functions of a USIM in software.
enum sim_family {
    SIM_BY_LENGTH, // 32 bytes are K and OPc for MILENAGE; others K for those of 3GPP2
    SIM_3GPP2,
    SIM_3GPP, // MILENAGE
};

struct sim_settings {
    bool pseudonyms, reauth;      // server: gives such names; client: uses those that it was given
    bool sim_asks, aka_asks;      // server: asks for such a name inside the method
    bool check_3gpp2, check_3gpp; // USIM: refuses numbers that it has seen, or later ones
    enum sim_family family;
};
struct sim_settings sim_settings_default(void);

struct simcards;
// now_s: wall clock; a USIM takes no sequence numbers from before that. NULL: out of memory.
struct simcards *simcards_new(uint64_t now_s);
struct simcards *simcards_ref(struct simcards *s); // one holder more; returns s; NULL is fine
void simcards_free(struct simcards *s);            // one holder less; the last wipes
// Lines of IDENTITY,RAND,SRES,KC in hex, the numbers filled up with zeros in front; '#' begins a
// comment. They replace those that there are; after an error nothing has changed. *n: how many.
// Errors with a sentence: ERR_NOTFOUND, ERR_PERMISSION, ERR_SYNTAX, ERR_LIMIT, ERR_NOMEM.
err_t sim_triplets_load(struct simcards *s, const char *path, unsigned *n, struct why *why);
