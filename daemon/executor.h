// executor.h - chooses and opens the executor that pavise-iked talks NETLINK_XFRM with.
#pragma once

#include "conf/config.h"
#include "netlink/client.h"

#define EXECUTOR_TUN "pavise0" // pavise-xfrmd's device, unless it was told otherwise

struct executor {
    struct xfrm_client *client;
    bool kernel; // else pavise-xfrmd
    bool iptfs;  // has IP-TFS (RFC 9347)
};

// AUTO: pavise-xfrmd if it runs, else the kernel if it has ESP. socket: of pavise-xfrmd, "@name";
// NULL: its default; borrowed for the executor's life. Events come to fn in the loop.
// Errors: ERR_CLOSED (no pavise-xfrmd), ERR_UNSUPPORTED (kernel without ESP), ERR_PERMISSION,
// ERR_SYSTEM, ERR_TIMEOUT; the sentence says what to do.
struct executor_choice {
    enum conf_executor which;
    const char *socket;
};
err_t executor_open(const struct executor_choice *choice, struct loop *loop, xfrm_event_fn *fn,
                    void *ctx, struct executor *out, struct why *why);
void executor_close(struct executor *e);
