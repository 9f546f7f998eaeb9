// trace_filter.h - pcap-filter(7) expressions as programs for the executor.
#pragma once

#include <jansson.h>

#include "base/err.h"

// [[code, jt, jf, k], ...] for whole IP packets. ERR_SYNTAX, with libpcap's words; ERR_NOMEM.
err_t trace_filter(const char *expression, json_t **out, struct why *why);
