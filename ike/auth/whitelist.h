// whitelist.h - the identities that may come in, as strongSwan's plugin of that name has it: while
// the list is on, who has called us and has proved who it is, but is not in it, is refused. In
// memory only. One thread.
#pragma once

#include "cred/id.h"
#include "ike/sa/index.h"

#define WHITELIST_MAX 65536        // identities: the clients of a large gateway in some 24 MB
#define WHITELIST_PATTERNS_MAX 256 // ... with wildcards: every peer is compared with each of them

struct whitelist_entry;
struct whitelist {
    bool on;
    uint8_t key[16];
    struct index index;
    struct whitelist_entry *plain, *pattern;
    unsigned n, patterns; // both kinds; those with wildcards
};

// key: secret and random. ERR_NOMEM.
err_t whitelist_init(struct whitelist *w, const uint8_t key[16]);
void whitelist_done(struct whitelist *w); // harmless after a failed init

// One that is there already is fine. id may be a pattern (id_match()). Errors: ERR_LIMIT,
// ERR_NOMEM.
err_t whitelist_add(struct whitelist *w, const struct id *id);
bool whitelist_remove(struct whitelist *w, const struct id *id); // false: it is not there
// Removes all that fit the pattern; NULL: all. How many there were.
unsigned whitelist_flush(struct whitelist *w, const struct id *pattern);

// May somebody of this name come in, by what is in the list, on or not?
bool whitelist_has(const struct whitelist *w, const struct id *wire);
// Patterns first; the latest of each kind first. fn must not change the list.
typedef void whitelist_fn(void *ctx, const struct id *id);
void whitelist_each(const struct whitelist *w, whitelist_fn *fn, void *ctx);
