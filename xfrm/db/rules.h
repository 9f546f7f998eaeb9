// rules.h - the classifier behind the SPD: of all rules that a packet satisfies, the one of highest
// precedence (RFC 4301 4.4.1).
//
// Tuple space search: rules that look at the same bits of a packet (prefix lengths, ports,
// protocol, mark), and at the same device, form a tuple; the bits they want to see there are the
// key of one hash table for all tuples. A look-up costs one probe for each tuple that could still
// do better than what has been found, no matter how many rules a tuple has. Rules with the same key
// shadow each other: the table knows the first, which heads a heap of the others.
#pragma once

#include "base/heap.h"
#include "base/htab.h"
#include "xfrm/path/pkt.h"
#include "xfrm/xfrm.h"

struct rules;

// Addresses, ports, protocol, mark and interface id, cut to what the rule looks at. IPv4 needs the
// first three words only.
#define RULE_WORDS 6
#define RULE_WORDS_V4 3
struct rule_key {
    uint64_t w[RULE_WORDS];
};

// Lives in what it stands for (struct policy). A look-up reads the first 64 bytes and no more.
struct rule {
    struct rule_key key;
    uint64_t rank; // the smaller goes before
    uint64_t age;  // order of arrival: the older goes before, among equal ranks
    struct heap_node shadow;
    uint32_t tuple; // its id
    uint8_t dir, words;
};

// What a rule looks at.
struct rule_want {
    const struct xfrm_selector *sel;
    struct xfrm_mark mark;
    uint32_t if_id;
    uint8_t dir;
    bool no_ports; // as if the selector left the ports open
    bool strict;   // only where the device is known to be the selector's
};

// What is known of a packet.
struct rule_ask {
    const struct flow *flow;
    uint32_t mark, if_id;
    uint32_t device; // its index; 0: not known
    uint8_t dir;
};

struct rules *rules_new(void);    // NULL when out of memory
void rules_free(struct rules *r); // no reader may be left; NULL is fine

// ---- control thread ----
// r's rank and age are set. ERR_NOMEM.
err_t rules_add(struct rules *rs, struct rule *r, const struct rule_want *want);
void rules_del(struct rules *rs, struct rule *r);
unsigned rules_tuples(const struct rules *rs, uint8_t dir);

// ---- any RCU reader ----
// A fragment without ports satisfies only rules that leave the ports open; a packet whose device is
// not known those for one device that are not strict. NULL: none.
struct rule *rules_find(const struct rules *rs, const struct rule_ask *ask);
// For a burst: first every packet's first hint, which brings the bucket closer and returns what the
// second wants to know, then every packet's second, which tells the rule that the packet probably
// satisfies (NULL: no idea), then the look-ups.
uint64_t rules_hint(const struct rules *rs, const struct rule_ask *ask);
const struct rule *rules_hint_more(const struct rules *rs, uint64_t hint);

static inline bool rule_goes_before(const struct rule *a, const struct rule *b)
{
    return a->rank < b->rank || (a->rank == b->rank && a->age < b->age);
}
