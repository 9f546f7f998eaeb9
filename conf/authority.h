// authority.h - the section "authorities": where an authority's CRLs and OCSP answers are.
#pragma once

#include "conf/schema.h"

void authorities_read(struct load *ld, const struct node *n, void *config);
