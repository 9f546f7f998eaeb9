// host.h - local_addrs and remote_addrs.
#pragma once

#include "conf/schema.h"

void set_local_addrs(const struct arg *a);  // field: conf_conn itself
void set_remote_addrs(const struct arg *a); // field: conf_conn itself
