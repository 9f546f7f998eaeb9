// sense.h - settings that are well-formed, each by itself, and make no sense together.
#pragma once

#include "conf/schema.h"

// Reports them; the last of the checks. What may still come (ld->loose) is not missed.
void sense_check(struct load *ld);
