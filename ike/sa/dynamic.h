// dynamic.h - configured traffic selectors, with "dynamic" replaced by an address of the IKE SA.
#pragma once

#include "conf/config.h"
#include "ike/codec/payloads.h"

// own: the address that "dynamic" stands for; AF_UNSPEC: every address, of both families.
// More than TS_MAX selectors are cut off (conf/ allows half as many).
void dynamic_ts(const struct conf_ts *conf, unsigned n, const ip_t *own, struct ts_list *out);

// The same for a side that has several addresses; one that is all zero stands for all of its
// family.
struct hosts {
    unsigned n;
    ip_t ip[CONF_VIPS_MAX];
};
void dynamic_ts_hosts(const struct conf_ts *conf, unsigned n, const struct hosts *own,
                      struct ts_list *out);
