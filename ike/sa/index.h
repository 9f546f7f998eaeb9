// index.h - finding what lies behind a hash, for things that know each other: the place in the
// index is inside the entry, so that adding one cannot fail. One thread.
#pragma once

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

// Lives in the entry. Zeroed: in no index.
struct index_place {
    struct index_place *next, **link;
    void *what;
    uint64_t hash;
};

struct index {
    struct index_place **bucket;
    size_t mask, n;
};

err_t index_init(struct index *ix); // ERR_NOMEM
void index_done(struct index *ix);  // leaves the entries alone
// Grows with what is in it; where memory is short its chains do instead.
void index_add(struct index *ix, struct index_place *p, uint64_t hash, void *what);
void index_remove(struct index *ix, struct index_place *p); // no harm if it is in none
// Entries of this hash, the latest first: other keys may have it, too. NULL: no more.
struct index_place *index_first(const struct index *ix, uint64_t hash);
struct index_place *index_next(const struct index_place *p);
