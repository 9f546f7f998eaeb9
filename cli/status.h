// status.h - what `pavise status` knows before it prints. Between its two files only.
#pragma once

#include "cli/args.h"
#include "cli/wrong.h"

// Asks everybody. false: pavise-iked cannot be asked, and that has been said.
bool status_gather(const struct args *a, struct wrong_facts *f);
// Looks a second time: "rate-in" and "rate-out" of each child, bytes a second.
void status_rates(const struct args *a, struct wrong_facts *f);
// Leaves only what goes by this name. false: there is nothing, and that has been said.
bool status_choose(struct wrong_facts *f, const char *name);
void status_facts_free(struct wrong_facts *f);
