// stat_crypto.h - the part of `pavise xfrm stat` that tells which library does which algorithm.
#pragma once

#include <jansson.h>

// `algs` as in daemon/xfrmd_crypto.h; NULL (an older pavise-xfrmd) prints nothing.
void stat_crypto_print(const json_t *algs);
