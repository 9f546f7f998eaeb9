// guard.h - clear text that policies want protected does not get in or out: enforced by the host
// kernel, which sees the packets that do not pass through the TUN device.
//
//     in, fwd   a packet that an inbound policy with a template covers, and that did not come out
//               of the TUN device, is dropped before the host sees it
//     out       a packet that an outbound policy covers and that is about to leave elsewhere is
//               dropped (a belt; the routes of steer.h are the braces)
//
// Where the default policy (SETDEFAULT) is to block, so is in that direction whatever no policy
// names: on every device but the loopback and the TUN device, and but for the executor's and the
// IKE daemon's own packets.
//
// Policies for one device are taken at their word; guard_nft.h says what that is.
//
// Two ways to tell the kernel (RFC 4301 5.1, 5.2 by other means):
//   xfrm   the kernel's own IPsec policies; they need no ESP to say no. The TUN device is exempt
//          by disable_policy and disable_xfrm. IPv4 only: for IPv6 the kernel knows that exemption
//          by the device that owns the destination address, not by the one the packet came through.
//   nft    one nftables table, inet pavise, through the program nft. It takes milliseconds: a few
//          changes are in force before their requests are answered, a long succession of them is
//          put into the kernel together, some ten milliseconds late
// Control thread.
#pragma once

#include "base/loop.h"
#include "daemon/policies.h"

enum guard_mode {
    GUARD_AUTO, // IPv4: xfrm, or nft where the kernel has no XFRM, or from the first policy on that
                // is about the device that packets come by; IPv6: nft
    GUARD_XFRM, // IPv4 only; IPv6 is not guarded
    GUARD_NFT,
    GUARD_OFF,
};

struct guard_conf {
    enum guard_mode mode;
    struct loop *loop;
    const char *tun;
    uint16_t udp_port; // of ESP in UDP
    uint32_t fwmark;   // of the executor's and the IKE daemon's own packets
    uint32_t uid;      // that owns the executor's sockets
    uint32_t grace_s;  // seconds that the rules of one who died are kept
};

struct guard;

// What an earlier crash has left stays in force for the grace beside what comes anew, a default to
// block until guard_defaults(); what it left of ways that conf->mode excludes goes at once. Errors:
// ERR_UNSUPPORTED, ERR_SYSTEM with a sentence that says what to do: a guard that was asked for and
// cannot be had is no small matter.
err_t guard_new(const struct guard_conf *conf, struct guard **out, struct why *why);
void guard_free(struct guard *g); // what it put into the kernel goes; NULL is fine

// ps: all policies as they are after the change; borrowed until guard_free().
void guard_watch(struct guard *g, const struct policies *ps);
void guard_add(struct guard *g, const struct xfrm_policy *p);
void guard_del(struct guard *g, const struct xfrm_policy *p);
void guard_change(struct guard *g, const struct xfrm_policy *old, const struct xfrm_policy *now);

// Somebody has taken the table of nftables away: what is known goes in again at once.
void guard_restore(struct guard *g);

// What happens to packets without a policy (enum xfrm_default).
void guard_defaults(struct guard *g, const uint8_t actions[XFRM_DIRS]);

// A UDP port, beside conf->udp_port, that protected packets go and come by; or it does no more.
void guard_source(struct guard *g, uint16_t family, uint16_t number, bool on);

// A TUN device, beside conf->tun, of the executor's own; or it is no more. The name is copied.
void guard_device(struct guard *g, const char *name, bool on);

// "xfrm", "nft" or "off".
const char *guard_way(const struct guard *g, uint16_t family);

// Packets that the guard has dropped, as far as the kernel tells. (Of its own policies it counts
// all that were matched, whoever put them there.)
struct guard_counts {
    uint64_t clear_in, clear_out;
};
void guard_counts(const struct guard *g, struct guard_counts *out);
