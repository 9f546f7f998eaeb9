// load_host.h - a host that is many: one diplomat (ike/) behind real sockets, with as many
// addresses as there are calls, and an executor that agrees to everything. Its IKE SAs are
// forgotten in one go (load_forget), so that it stays quick while the daemon on the other side
// fills up.
#pragma once

#include "base/loop.h"
#include "conf/config.h"
#include "ike/net/net.h"
#include "test/bench/null_xfrm.h"

#define LOAD_BATCH 512 // connections of one name each; as many calls between two load_forget()

struct load_host {
    struct loop *loop;
    struct loop_timer *ticker;
    struct net *net;
    struct ike *ike;
    struct config *config;
    struct null_xfrm null;
    struct ike_work *ran, **ran_end; // works that have run
    ip_t address; // that the next call comes from; AF_UNSPEC: the kernel's choice
    bool verbose;
    unsigned children_up; // that we have answered
    // What happened is over, and the diplomat may be called.
    void (*after)(void *ctx);
    void *ctx;
};

// Reads a swanctl.conf whose first connection is multiplied: "load0" ..., each with its children.
// With a sentence in `why`.
err_t load_open(struct load_host *h, const char *conf, struct why *why);
void load_close(struct load_host *h);
err_t load_forget(struct load_host *h); // every IKE SA, without a word. ERR_NOMEM
void load_settle(struct load_host *h);  // call after every call of the diplomat
