// replay.h - anti-replay window of one inbound SA (RFC 4303 3.4.3, RFC 6479).
//
// A ring of bits, at least one word longer than the window needs: the window moves by clearing
// whole words ahead of it, never by shifting. A window of up to REPLAY_SMALL packets has its ring
// in place, a larger one elsewhere: most SAs pay for no more than they use.
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "xfrm/xfrm.h"

#define REPLAY_WORDS_SMALL 4
#define REPLAY_SMALL ((REPLAY_WORDS_SMALL - 1) * 64)

// Written by the one worker that owns the SA, without a lock. Another thread may only take a
// snapshot (replay_export), which is exact when no packet arrives meanwhile.
struct replay {
    uint64_t top;    // highest sequence number accepted so far; 0 = none yet
    uint32_t size;   // packets from top downwards that are judged; 0 = replay check off
    uint32_t mask;   // words of the ring, a power of two, less one
    uint64_t *large; // the ring, if it is not `small`
    uint64_t small[REPLAY_WORDS_SMALL];
};

// A window of `size` packets (0: no check) that has seen nothing. ERR_NOMEM.
err_t replay_init(struct replay *w, uint32_t size);
void replay_done(struct replay *w);

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
// Import: w has been made for r->window.
void replay_import(struct replay *w, const struct xfrm_replay *r);
void replay_export(const struct replay *w, struct xfrm_replay *r);
