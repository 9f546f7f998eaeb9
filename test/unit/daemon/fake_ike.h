// fake_ike.h - a diplomat made of cardboard: it remembers what it was asked and says what the test
// wants. Stands in for ike/ike.h where the VICI commands are tested.
#pragma once

#include "ike/ike.h"

#define FAKE_SAS 40

struct fake_ike {
    unsigned sa_n;
    struct ike_sa_view sa[FAKE_SAS];
    struct child_sa_view child[FAKE_SAS]; // one of each IKE SA; name NULL: none
    struct ike_stats stats;
    struct pools *pools;
    struct counters counters;
    struct whitelist *whitelist;
    unsigned configured;
    unsigned ones; // calls of ike_one()
    void (*before_one)(struct fake_ike *f, uint32_t id);
    char installed[64]; // children whose policies are, each with a blank behind

    // the latest request
    char conn[64], child_name[64];
    struct ike_choice choice;
    char gateway[64];
    unsigned matches; // to be answered
    ike_done_fn *done;
    void *done_ctx;
    bool answer_at_once;
    err_t answer;
    void (*before_return)(struct fake_ike *f); // runs inside of ike_initiate and ike_terminate
    void *test;
};

static inline struct fake_ike *fake(struct ike *ike)
{
    return (struct fake_ike *)(void *)ike;
}
// The handle of sa[i], as callbacks get it.
const struct ike_sa *fake_sa(const struct fake_ike *f, unsigned i);
