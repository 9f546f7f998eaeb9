// explain.h - what would become of a packet, without sending it: the decisions of the stages, taken
// by the stages' own functions, with nothing counted, held, asked for or changed.
#pragma once

#include "xfrm/path/path.h"

#define EXPLAIN_OTHERS_MAX 16 // policies named that go before the matching one
#define EXPLAIN_SAS_MAX 16    // inbound: SAs named that could have carried it

struct explain_ask {
    enum xfrm_dir dir; // XFRM_OUT, or XFRM_IN for a packet as it comes out of its SA, or in clear
    ip_t src, dst;
    uint8_t proto;
    uint16_t sport, dport; // ICMP: type and code
    uint32_t mark;
    uint32_t len; // bytes of the whole packet; 0: a short one
};

// Why a policy is not the packet's.
enum explain_why {
    WHY_FAMILY,
    WHY_PROTO,
    WHY_SRC,
    WHY_DST,
    WHY_SPORT,
    WHY_DPORT,
    WHY_MARK,
    WHY_IF_ID,
    WHY_DEVICE,
    WHY_LATER, // it would match, but this one goes before it
};
const char *explain_why_text(enum explain_why why);

struct explain_other {
    const struct policy *policy;
    enum explain_why why;
};

struct explain {
    struct flow flow;
    enum drop drop; // why it would not get through; DROP_NONE
    bool bypass;    // outbound: goes on in clear
    bool waits;     // outbound: held, and the SA of tmpl[missing] is asked for
    unsigned missing;
    const struct policy *policy; // NULL: none matches
    unsigned others, others_all; // named, and in all
    struct explain_other other[EXPLAIN_OTHERS_MAX];
    unsigned sas; // outbound the innermost first; inbound: each that could have carried it alone
    struct sa *sa[EXPLAIN_SAS_MAX];
    struct pkt outer;   // outbound: what the header of the outermost will say (from, to, outer_*)
    uint32_t len, wire; // bytes of the packet, and on the wire
    uint32_t path_mtu;  // of the outer path; 0: not known
    uint32_t fits;      // the longest packet that gets through whole; 0: not known
    bool cut;           // is fragmented on its way
};

// The worker is one whose stages decide: db, exits.link_mtu, exits.device,
// allow_clear_in, now and cpu are looked
// at. Policies and SAs stay valid as long as the caller's RCU read side lasts.
// ERR_SYNTAX: no packet can be like that (families, protocol).
err_t explain_packet(struct worker *w, const struct explain_ask *ask, struct explain *out,
                     struct why *why);
