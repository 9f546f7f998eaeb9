// stat_kernel.h - the counters of the Linux kernel's XFRM, of this network namespace.
#pragma once

#include <jansson.h>

#include "base/err.h"

#define STAT_KERNEL_FILE "/proc/net/xfrm_stat"

// {"kernel": {"XfrmInError": 0, ...}}. Errors, with a sentence: ERR_NOTFOUND (a kernel without
// CONFIG_XFRM_STATISTICS), ERR_SYNTAX.
err_t stat_kernel_read(const char *path, json_t **out, struct why *why);
// What a counter counts, in half a sentence; NULL: newer than this program.
const char *stat_kernel_text(const char *name);
// For people: what is not 0, with its meaning.
void stat_kernel_print(const json_t *stat);
