// explain.h - how `pavise explain` prints its answer. Between its two files only.
#pragma once

#include <jansson.h>

#include "cli/args.h"

// The answer of pavise-xfrmd (doc/pavise-explain.8), for people; `a` are the words of the question.
void explain_print(const json_t *answer, const struct args *a);
