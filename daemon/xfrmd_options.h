// xfrmd_options.h - the command line of pavise-xfrmd. There is no configuration file: what it does
// to packets is told over its socket.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/guard.h"

#define XFRMD_TUN "pavise0"
#define XFRMD_MTU 1400 // bytes: fits into 1500 with any outer header and algorithm
#define XFRMD_PORT 4500
#define XFRMD_TABLE 220
#define XFRMD_GRACE 60 // seconds: an IKE daemon that is alive has put its policies back long before
#define XFRMD_GRACE_MAX 86400
// The same as pavise-iked's: packets with this mark stay out of the TUN device.
#define XFRMD_FWMARK 0x50415649U // "PAVI"

struct xfrmd_options {
    const char *tun, *socket;
    uint32_t mtu, fwmark, table, grace;
    uint16_t port;
    bool no_udp, no_raw;
    bool allow_clear_in, legacy;
    enum guard_mode guard;
    enum log_level log_level;
    bool help, version; // print and leave
};

// Strings borrow from argv. Errors: ERR_SYNTAX, ERR_RANGE, with a sentence.
err_t xfrmd_options_read(int argc, char **argv, struct xfrmd_options *out, struct why *why);
extern const char xfrmd_options_help[];
