// guard_nft.h - the guard's policies as one nftables table, inet pavise (guard.h). The table is
// replaced as a whole, in one transaction, so there is no moment without it; the program nft does
// it.
#pragma once

#include "base/text.h"
#include "daemon/guard.h"
#include "xfrm/engine.h"

#define GUARD_NFT_TABLE "pavise"

#define GUARD_SOURCES_MAX (ENGINE_FAMILIES * ENGINE_SOURCES_MAX)

struct guard_nft_conf {
    const char *tun;
    uint16_t udp_port;
    uint32_t fwmark, uid;  // of the executor's own packets
    bool v4, v6;           // families to guard
    bool block[XFRM_DIRS]; // what no policy names
    unsigned source_count;
    struct guard_source {
        uint16_t family, number;
    } source[GUARD_SOURCES_MAX]; // further UDP ports of ours
};

// The script that makes the table say what the policies say. For nft -f and for tests.
void guard_nft_script(const struct guard_nft_conf *conf, const struct policies *ps,
                      struct text *out);

// Hands the script to nft and waits for it. ERR_NOTFOUND: there is no nft. ERR_SYSTEM: nft's own
// words.
err_t guard_nft_run(const char *script, struct why *why);
// Which defaults to block the table in the kernel has: one that somebody has left. Errors as above.
err_t guard_nft_left(bool block[XFRM_DIRS]);
// Asks for the packets that the table has dropped. Errors as above.
err_t guard_nft_counts(struct guard_counts *out);
