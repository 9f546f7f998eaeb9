// guard_nft.h - the guard's policies as one nftables table, inet pavise (guard.h), written by the
// program nft:
//
//     chain input_0    what comes in; forward_0 and leave_0 as well. They are replaced in one
//                      transaction, so there is no moment without them
//     chain own_input  what is never dropped: our own packets. Each input_N begins with it
//     chain rest_0_in  what no policy names. Each input_N ends with its own
//     counter slot_0   its chains are in use
//
// A policy for one device (struct xfrm_selector, ifindex): outbound, what is about to leave by it.
// Inbound the kernel compares nothing that stays here with it, and of what is forwarded where it
// leaves. So do rules that let forwarded packets pass; those that drop them are about what comes by
// it, too, and the others inbound just about that. Where protection is asked for it may not come in
// clear by any.
//
// The number is the slot. One who finds slots in use starts in another one and leaves them as they
// are: a packet that the rules of any of them forbid is dropped.
#pragma once

#include <net/if.h>

#include "base/text.h"
#include "daemon/guard.h"
#include "xfrm/engine.h"

#define GUARD_NFT_TABLE "pavise"

// Executors in a row that died and left rules while a grace was never over. One more replaces one
// of them.
#define GUARD_SLOTS 8

#define GUARD_DEVICES_MAX ENGINE_MARKS_MAX
#define GUARD_SOURCES_MAX (ENGINE_FAMILIES * ENGINE_SOURCES_MAX)

struct guard_nft_conf {
    const char *tun;
    uint16_t udp_port;
    uint32_t fwmark, uid;  // of the executor's own packets
    bool v4, v6;           // families to guard
    bool block[XFRM_DIRS]; // what no policy names
    unsigned slot;         // whose chains are ours
    unsigned left;         // bit N: slot N holds what another one has left
    unsigned device_count;
    char device[GUARD_DEVICES_MAX][IFNAMSIZ]; // further TUN devices of ours
    unsigned source_count;
    struct guard_source {
        uint16_t family, number;
    } source[GUARD_SOURCES_MAX]; // further UDP ports of ours
};

// The script that makes our slot say what the policies say, and takes the default of others away.
// For nft -f and for tests.
void guard_nft_script(const struct guard_nft_conf *conf, const struct policies *ps,
                      struct text *out);

// Without rules of ours: lets our own packets pass what others have left.
void guard_nft_own_script(const struct guard_nft_conf *conf, struct text *out);
// Removes the slots in conf->left.
void guard_nft_drop_script(const struct guard_nft_conf *conf, struct text *out);

// Hands the script to nft and waits for it. ERR_NOTFOUND: there is no nft. ERR_SYSTEM: nft's own
// words.
err_t guard_nft_run(const char *script, struct why *why);
// What somebody has left in the kernel: the slots in use (bit N is slot N), and the defaults to
// block. ERR_SYSTEM also when there is no table. Errors as above.
err_t guard_nft_left(unsigned *slots, bool block[XFRM_DIRS]);
// Asks for the packets that the table has dropped. Errors as above.
err_t guard_nft_counts(struct guard_counts *out);
