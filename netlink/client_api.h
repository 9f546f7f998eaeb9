// client_api.h - inside the client: struct xfrm_ops spoken over a caller.
#pragma once

#include "netlink/client_call.h"

// ctx of every function is the struct caller.
extern const struct xfrm_ops client_ops;
