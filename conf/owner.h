// owner.h - who owns a pre-shared key: finds out fast whether any owner fits an identity, as large
// sites have thousands of both.
#pragma once

#include "conf/schema.h"

struct owners;

// In the tree's arena. NULL: out of memory.
struct owners *owners_new(struct load *ld);
// Is there a key for this identity (or, if it is a pattern, for one that it fits)?
bool owners_fit(struct owners *o, const struct id *id);
