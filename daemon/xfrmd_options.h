// xfrmd_options.h - the command line of pavise-xfrmd. There is no configuration file: what it does
// to packets is told over its socket.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/guard.h"
#include "daemon/past.h"
#include "netlink/wire.h"
#include "xfrm/port/xdp_prog.h"

#define XFRMD_TUN "pavise0"
#define XFRMD_MTU 1400 // bytes: fits into 1500 with any outer header and algorithm
#define XFRMD_PORT WIRE_NATT_PORT
// Beside strongSwan's 220, whose routes would take the place of ours, and before it (steer.h).
#define XFRMD_TABLE 219
#define XFRMD_GRACE 60 // seconds: an IKE daemon that is alive has put its policies back long before
#define XFRMD_GRACE_MAX 86400
// The same as pavise-iked's: packets with this mark stay out of the TUN device.
#define XFRMD_FWMARK WIRE_FWMARK
#define XFRMD_CLEAR_MARK 0x8000000U

struct xfrmd_options {
    const char *tun, *socket;
    uint32_t mtu, fwmark, table, grace;
    uint32_t workers;
    uint32_t dummy_rate; // packets a second of each SA with TFC padding
    uint16_t port;
    uint32_t idle_seconds; // with no SA, no policy and no client for this long: leave; 0: never
    uint16_t mss;          // MSS_OFF, MSS_AUTO or bytes, xfrm/path/mss.h
    bool no_udp, no_raw;
    char xdp[XDP_SIDES][IFNAMSIZ]; // interfaces to be served past the host's stack, or empty
    bool allow_clear_in, legacy;
    enum guard_mode guard;
    enum past_how forward_clear;
    uint32_t clear_mark; // one bit
    enum log_level log_level;
    bool help, version; // print and leave
};

// Strings borrow from argv. Errors: ERR_SYNTAX, ERR_RANGE, with a sentence.
err_t xfrmd_options_read(int argc, char **argv, struct xfrmd_options *out, struct why *why);
extern const char xfrmd_options_help[];
