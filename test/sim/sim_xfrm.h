// sim_xfrm.h - an executor that remembers what it was told and moves no packets. Behaves as the
// kernel where a diplomat can notice: larval SAs, EXISTS, NOTFOUND, policies by selector,
// lifetimes.
#pragma once

#include "xfrm/xfrm.h"

#define SIM_SAS 512
#define SIM_POLICIES 256

struct sim_sa {
    bool used, soft_told;
    uint64_t added_ns;
    unsigned order; // later ones are preferred, as in the kernel
    struct xfrm_sa x;
};

struct sim_xfrm {
    struct sim_sa sa[SIM_SAS];
    unsigned top; // places from here on were never used
    unsigned order;
    struct xfrm_policy policy[SIM_POLICIES];
    unsigned policies;
    uint64_t *now; // of the world
    uint32_t spi;
    bool no_comp;         // it does not know IPComp
    bool cpus_less;       // it has none of the CPUs that SAs are for
    unsigned refuse_adds; // so many SAs are refused from now on
    unsigned listings;    // times that all SAs, or all policies, were listed
};

void sim_xfrm_init(struct sim_xfrm *x, uint64_t *now, uint32_t first_spi);
struct xfrm_api sim_xfrm_api(struct sim_xfrm *x);
unsigned sim_xfrm_sas(const struct sim_xfrm *x); // without larval ones
unsigned sim_xfrm_larval(const struct sim_xfrm *x);
unsigned sim_xfrm_comps(const struct sim_xfrm *x); // of IPComp, larval or not
// The next lifetime that runs out: when, and whose. DUE: UINT64_MAX.
uint64_t sim_xfrm_due(const struct sim_xfrm *x);
// Tells what ran out (soft), or removes and tells it (hard). false: nothing.
bool sim_xfrm_expire(struct sim_xfrm *x, struct xfrm_event *ev, struct xfrm_sa *sa);
// The policy for an outbound packet, and the SA that the kernel would take; NULL if none.
const struct xfrm_policy *sim_xfrm_policy(const struct sim_xfrm *x, enum xfrm_dir dir,
                                          const ip_t *src, const ip_t *dst);
struct sim_sa *sim_xfrm_outbound(struct sim_xfrm *x, const struct xfrm_policy *p, const ip_t *dst);
struct sim_sa *sim_xfrm_find(struct sim_xfrm *x, const ip_t *daddr, uint32_t spi);
