// null_xfrm.h - an executor that agrees to everything and remembers nothing: what is measured with
// it is IKE alone.
#pragma once

#include "xfrm/xfrm.h"

struct null_xfrm {
    uint32_t last_spi;
};

struct xfrm_api null_xfrm_api(struct null_xfrm *x);
