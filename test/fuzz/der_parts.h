// der_parts.h - takes an input apart into the DER elements that it is made of.
#pragma once

#include "base/cursor.h"

// The next element with its head, or all that is left if there is none. Empty at the end.
span_t der_part(span_t *in);
