// explain.h - what the files of `pavise explain` share.
#pragma once

#include <jansson.h>

#include "cli/args.h"

// The answer of pavise-xfrmd (doc/pavise-explain.8), for people; `a` are the words of the question.
void explain_print(const json_t *answer, const struct args *a);
// The same answer about the Linux kernel's databases, with "executor": "kernel" and "not_read": how
// many policies and SAs had to be left out. Errors: those of xfrm_client_open(), ERR_LIMIT.
err_t explain_kernel(const char *question, json_t **out, struct why *why);
