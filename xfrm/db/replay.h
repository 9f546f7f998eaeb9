// replay.h - anti-replay window of one inbound SA (RFC 4303 3.4.3, RFC 6479).
//
// A ring of bits, one word longer than the window needs: the window moves by clearing whole words
// ahead of it, never by shifting.
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "xfrm/xfrm.h"

#define REPLAY_WORDS (XFRM_REPLAY_MAX / 64 + 1)

// Written by the one worker that owns the SA, without a lock. Another thread may only take a
// snapshot (replay_export), which is exact when no packet arrives meanwhile.
struct replay {
    uint64_t top;  // highest sequence number accepted so far; 0 = none yet
    uint32_t size; // packets from top downwards that are judged; 0 = replay check off
    uint64_t seen[REPLAY_WORDS];
};

// Full 64-bit sequence number for the low half seen on the wire (RFC 4303 appendix A2.2). Pure.
// Needs w->size > 0. SAs without ESN skip this call.
uint64_t replay_guess_esn(const struct replay *w, uint32_t low);

// Cheap test before decryption: would this number be accepted?
// Errors: ERR_REPLAY. Changes nothing, so a forged packet cannot move the window.
err_t replay_check(const struct replay *w, uint64_t seq);

// Marks seq as seen. Call only after the ICV has verified and replay_check said yes.
void replay_commit(struct replay *w, uint64_t seq);

// To and from the state that NETLINK_XFRM carries (window, in_seq and bitmap; out_seq is not
// touched). With r->esn_given the bitmap is a ring as in struct xfrm_replay_state_esn: number s is
// bit (s - 1) mod window. Without, it is the 32-bit struct xfrm_replay_state: bit n is top - n.
// Import: window <= XFRM_REPLAY_MAX has been checked by the caller.
void replay_import(struct replay *w, const struct xfrm_replay *r);
void replay_export(const struct replay *w, struct xfrm_replay *r);
