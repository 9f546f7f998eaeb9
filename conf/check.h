// check.h - mistakes that no single setting shows: times that contradict one another, connections
// without a secret, children that would fight for the same packets.
#pragma once

#include "conf/schema.h"

void check_all(struct load *ld);
