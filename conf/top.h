// top.h - what may stand at the top of a swanctl.conf.
#pragma once

#include "conf/schema.h"

// Reads the whole tree into ld->out.
void top_read(struct load *ld);
