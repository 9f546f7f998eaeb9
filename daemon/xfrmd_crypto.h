// xfrmd_crypto.h - which library does which algorithm of ESP and AH on this machine, and how many
// SAs use it: for `pavise xfrm stat`.
//
//     [{"encr": "AES_GCM_16", "key_bits": 128, "integ": null, "provider": "ipsecmb", "sas": 2},
//      {"encr": "AES_CBC", "key_bits": 128, "integ": "HMAC_SHA2_256_128", ...}, ...]
#pragma once

#include <jansson.h>

#include "xfrm/db/sad.h"

// Control thread. NULL: out of memory.
json_t *xfrmd_crypto_json(struct sad *sad);
