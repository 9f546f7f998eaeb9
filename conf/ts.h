// ts.h - local_ts and remote_ts: traffic selectors (RFC 7296 3.13.1) as swanctl.conf writes them:
// "10.1.0.0/16", "10.1.0.1-10.1.0.9[tcp/80]", "dynamic[udp/1000-2000]", "[icmp/8]" behind any.
#pragma once

#include "conf/schema.h"

void set_local_ts(const struct arg *a);  // field: conf_child itself
void set_remote_ts(const struct arg *a); // field: conf_child itself
