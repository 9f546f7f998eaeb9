// marks.h - firewall marks of packets. A TUN device does not tell them, so each mark that policies
// or SAs name has a device of its own:
//
//     out   policies with a mark: rules and routes lead such packets there (steer.h: lanes), and
//           what comes by it has the mark
//     in    SAs that set a mark (XFRMA_SET_MARK): what they open goes to the host by the device,
//     and
//           the table inet pavise_mark of nftables gives it the mark before anybody else sees it
//     both  policies for flows (XFRM_POLICY_FLOWS): that table remembers the mark (connmark.h)
//
// A device comes with the first that needs it and goes, with its rule, soon after the last. They
// are called as the first TUN device with "-1" and so on behind it. Control thread.
#pragma once

#include <jansson.h>

#include "daemon/guard.h"
#include "daemon/steer.h"
#include "daemon/xfrmd_ports.h"
#include "xfrm/control.h"

#define MARKS_TABLE "pavise_mark"

struct marks;

struct marks_conf {
    const struct xfrmd_options *options;
    struct engine *engine;
    struct steer *steer;
    struct guard *guard;
};

// Takes away what one who died has left in nftables. NULL: no memory.
struct marks *marks_new(const struct marks_conf *conf);
// Before engine, steer and guard, and after everything that control_on_marks() was told of. NULL is
// fine.
void marks_free(struct marks *m);
// For control_on_marks(); their ctx is the struct marks.
extern const struct control_marks marks_control;
// Somebody has taken the table away: it is put in again.
void marks_restore(struct marks *m);
// Takes devices away that nobody needs any more. After the policies' own routes have gone.
void marks_tend(struct marks *m);
// Their marks, devices and packets, an array of objects. NULL when out of memory.
json_t *marks_json(const struct marks *m);
