// terms_blocks.h - child SAs of a peer whose certificate is good for some addresses only (RFC
// 3779): whatever is agreed on, in whichever exchange, has no others on the peer's side.
#pragma once

#include "ike/codec/payloads.h"
#include "ike/sa/ike_sa.h"

// A certificate of the peer was believed: of several rounds each takes away. Borrows b (NULL: all
// addresses). ERR_NOMEM.
err_t terms_blocks_take(struct ike_sa *sa, const struct blocks *b);

// Leaves of the peer's selectors what its certificate is good for; a full list loses the last ones.
// false: nothing is left, and the list is as it was.
bool terms_blocks_cut(const struct ike_sa *sa, struct ts_list *theirs);
// May the peer have all of them? The story says by which block. ERR_PERMISSION with a sentence.
err_t terms_blocks_check(struct ike_sa *sa, const struct ts_list *theirs, struct why *why);
// Into the story: what the certificate leaves of what a peer asks for.
void terms_blocks_tell(struct ike_sa *sa, const struct ts_list *asked);
