// guard_nft.h - the guard's policies as one nftables table, inet pavise (guard.h). The table is
// replaced as a whole, in one transaction, so there is no moment without it; the program nft does
// it.
#pragma once

#include "base/text.h"
#include "daemon/guard.h"

#define GUARD_NFT_TABLE "pavise"

struct guard_nft_conf {
    const char *tun;
    uint16_t udp_port;
    uint32_t fwmark, uid; // of the executor's own packets
    bool v4, v6;          // families to guard
};

// The script that makes the table say what the policies say. For nft -f and for tests.
void guard_nft_script(const struct guard_nft_conf *conf, const struct policies *ps,
                      struct text *out);

// Hands the script to nft and waits for it. ERR_NOTFOUND: there is no nft. ERR_SYSTEM: nft's own
// words.
err_t guard_nft_run(const char *script, struct why *why);
// Asks for the packets that the table has dropped. Errors as above.
err_t guard_nft_counts(struct guard_counts *out);
