// bypass.h - exempts one socket from the host kernel's own IPsec policies, so that IKE and ESP
// packets are neither protected again nor dropped as clear text.
#pragma once

#include <stdint.h>

#include "base/err.h"

// family: of the socket. Errors: ERR_UNSUPPORTED (the kernel has no XFRM, so there is nothing to
// be exempt from), ERR_PERMISSION (needs CAP_NET_ADMIN), ERR_SYSTEM.
err_t netlink_bypass(int fd, uint16_t family);
