// past.h - what no policy names, though its destination is led into the TUN device by the route of
// a policy for others, is forwarded past it: by the FORWARD chain, from the device it came by to
// the one it leaves by, as the kernel's own XFRM has it.
//
// nftables give it a mark (past_rules.h), and a routing rule leads what has the mark past the rules
// of steer.h:
//
//     ip rule   215: iif lo goto 217          (what the host sends itself is not meant)
//               216: fwmark M/M goto 220
//
// The rule is there only while the marks are known to be about nothing that a policy names, and a
// rule is gone at once, whatever nftables do: a policy is either in the marks or has taken the rule
// away before its request is answered. What then gets no mark goes by the TUN device and comes out
// again (clear_ip.c). So it also goes:
//   - where a default policy to block has a say in it;
//   - while there are routes of one who died, whose policies are not known;
//   - where the host translates source addresses (unless PAST_ALWAYS): what no policy names may be
//     led into the device in order to get a source that one names.
// Of all this, nothing is done for a family in which the host does not forward.
// Control thread.
#pragma once

#include "base/loop.h"
#include "daemon/policies.h"

#define PAST_OWN_PRIORITY 215
#define PAST_PRIORITY 216

enum past_how { PAST_AUTO, PAST_ALWAYS, PAST_NEVER };

struct past;

struct past_conf {
    struct loop *loop;
    enum past_how how;
    const char *tun;
    uint32_t table;  // of steer.h: who cleans it up takes our rules along
    uint32_t mark;   // one bit, of nobody else's
    bool v4, v6;     // families in which a guard stands behind it
    uint32_t wait_s; // routes of one who died are there for so long
};

// Takes away what an earlier one has left. After steer_new(). Errors: ERR_NOMEM, ERR_SYSTEM, with a
// sentence.
err_t past_new(const struct past_conf *conf, const struct policies *ps, struct past **out,
               struct why *why);
void past_free(struct past *p); // rules and table go; NULL is fine

// Policies have changed; those of struct past_conf say so. Before anybody relies on it.
void past_add(struct past *p, const struct xfrm_policy *x);
void past_del(struct past *p, const struct xfrm_policy *x);
void past_change(struct past *p, const struct xfrm_policy *old, const struct xfrm_policy *now);
void past_defaults(struct past *p, const uint8_t actions[XFRM_DIRS]);
// Somebody has taken the table away: the marks are put in again.
void past_restore(struct past *p);
// Now and then: what the host does may have changed.
void past_tend(struct past *p);
// The same at once: the host's rules have changed.
void past_look(struct past *p);
