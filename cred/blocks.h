// blocks.h - the IP addresses that a certificate may be used for (RFC 3779 2), as sets of ranges.
// What a believed path of certificates leaves of them is in struct trust_chain (trust.h).
// Immutable and reference-counted: any thread may use one that it holds.
#pragma once

#include "base/addr.h"

struct blocks;

// Ranges of one certificate. Registries have thousands; hosts and gateways have a handful, and each
// is held against every selector.
#define BLOCKS_MAX 512

// Inclusive, of one family.
struct block {
    ip_t lo, hi;
};

struct blocks *blocks_ref(struct blocks *b); // one more holder; returns b; NULL is fine
void blocks_free(struct blocks *b);          // one holder less; NULL is fine
// The union of n ranges: sorted, as few as possible; those with lo > hi or of no family say
// nothing. n may be 0: no address at all. NULL: out of memory.
struct blocks *blocks_new(const struct block *at, unsigned n);
// What both have. NULL: out of memory.
struct blocks *blocks_meet(const struct blocks *a, const struct blocks *b);

unsigned blocks_count(const struct blocks *b);
const struct block *blocks_at(const struct blocks *b, unsigned i); // i < blocks_count()
// The one that has all of `part`; NULL: none has.
const struct block *blocks_around(const struct blocks *b, const struct block *part);

#define BLOCK_TEXT_MAX (2 * IP_TEXT_MAX)
#define BLOCKS_TEXT_MAX 200
const char *block_show(const struct block *b, char buf[BLOCK_TEXT_MAX]); // "10.1.0.0/16", "a..b"
// The first of them, as far as there is room; "no address" for none.
const char *blocks_show(const struct blocks *b, char buf[BLOCKS_TEXT_MAX]);
