// wrong_xfrm.h - what is wrong with the databases of the executor: SAs that no policy uses,
// policies that never get a packet.
#pragma once

#include <jansson.h>

#include "xfrm/xfrm.h"

#define WRONG_DUMP_MAX 2000 // policies and SAs looked at; with more it would take long, and be said

// A picture of SAD and SPD.
struct wrong_dump {
    unsigned policies, sas;
    struct xfrm_policy *policy; // without lifetimes and counters
    struct wrong_dump_sa {
        uint32_t spi, reqid;
        ip_t saddr, daddr;
        uint8_t proto, mode;
    } * sa;
};

// NULL: it cannot be had, or there is too much of it. Frees with wrong_dump_free().
struct wrong_dump *wrong_dump_read(struct xfrm_api api);
void wrong_dump_free(struct wrong_dump *d); // NULL is fine
void wrong_xfrm(json_t *list, const struct wrong_dump *d);
