// fake_xfrm.h - an executor that only remembers: struct xfrm_ops over two lists, with the kernel's
// answers and events, and no packets. Newest entries first, as the kernel lists them.
#pragma once

#include "netlink/uapi.h"

#define FAKE_MAX 4096 // entries of each kind; then ERR_LIMIT

struct fake_sa {
    struct fake_sa *next;
    struct xfrm_sa sa;
};

struct fake_policy {
    struct fake_policy *next;
    struct xfrm_policy policy;
};

struct fake_xfrm {
    struct fake_sa *sas;
    struct fake_policy *policies;
    unsigned sa_count, policy_count;
    uint32_t next_index, next_spi;
    uint8_t defaults[XFRM_DIRS];
    uint64_t now;      // what add_time gets; 0: the wall clock
    xfrm_event_fn *fn; // may be NULL
    void *ctx;
};

void fake_init(struct fake_xfrm *f, xfrm_event_fn *fn, void *ctx);
void fake_done(struct fake_xfrm *f);
struct xfrm_api fake_api(struct fake_xfrm *f);
