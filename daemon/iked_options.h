// iked_options.h - the command line of pavise-iked. What is not given here comes from the section
// `pavise` of the configuration, then from the defaults.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/config.h"
#include "daemon/log_to.h"
#include "daemon/state.h"

#define IKED_CONFIG "/etc/swanctl/swanctl.conf"
#define IKED_PORT 500
#define IKED_PORT_NAT_T 4500
// The same as pavise-xfrmd's: packets with this mark stay out of the TUN device.
#define IKED_FWMARK 0x50415649U // "PAVI"

struct iked_options {
    const char *config;
    const char *vici_socket;     // NULL = not given
    const char *socket;          // of pavise-xfrmd; NULL = its default
    const char *strongswan_conf; // "": none
    const char *keylog;          // directory; NULL = off
    const char *state_dir;       // what has to outlive us
    // From the configuration, as it was at the start; owned copies.
    bool install_virtual_ip;
    char *virtual_ip_device; // NULL = chosen by the executor
    char *resolv_conf;       // NULL = none
    bool executor_given;
    enum conf_executor executor;
    uint16_t port, port_nat_t; // 0 = not given
    bool vici_only;            // nothing but section `pavise` counts of the file
    bool legacy;               // algorithms that RFCs forbid are taken where they are named
    bool fwmark_given;
    uint32_t fwmark;
    const char *log[LOG_TARGETS_MAX]; // targets (log_to.h)
    unsigned log_n;
    enum log_level log_level;
    bool help, version; // print and leave
};

// Strings borrow from argv. Errors: ERR_SYNTAX, ERR_RANGE, with a sentence.
err_t iked_options_read(int argc, char **argv, struct iked_options *out, struct why *why);
extern const char iked_options_help[];
