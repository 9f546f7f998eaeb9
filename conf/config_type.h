// config_type.h - from a syntax tree, wherever it came from, to a typed configuration. Inside conf/
// only.
#pragma once

#include "conf/schema.h"

struct config *config_new(void); // empty, with empty creds; NULL: out of memory
// Types, reads the files that are named, and checks. Mistakes are in ld->issues. ERR_NOMEM.
err_t config_type(struct load *ld);
