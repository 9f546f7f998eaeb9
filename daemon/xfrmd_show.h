// xfrmd_show.h - what the executor knows as JSON, in the words that `pavise explain` and `pavise
// trace` share.
#pragma once

#include <jansson.h>

#include "xfrm/xfrm.h"

// NULL: out of memory.
json_t *show_ip(const ip_t *ip);
json_t *show_prefix(const prefix_t *p);
// {"src" "dst" "proto"}, with "sport" and "dport" where they matter.
json_t *show_selector(const struct xfrm_selector *s);
const char *show_mode(uint8_t mode);   // "tunnel"
const char *show_proto(uint8_t proto); // "esp"
const char *show_dir(uint8_t dir);     // "out"
const char *show_action(uint8_t action, unsigned templates);
