// retransmit.h - repeating a request until it is answered (RFC 7296 2.1): 4 s, then 1.8 times
// longer each time, 5 repetitions, by default; then the peer counts as dead.
#pragma once

#include "ike/sa/ike_sa.h"

void retransmit_start(struct ike_sa *sa); // the request was just sent for the first time
void retransmit_stop(struct ike_sa *sa);  // it was answered
// The request goes out once more at once, by another way, with all its patience before it.
void retransmit_anew(struct ike_sa *sa);
// The timer fired: sends again. ERR_TIMEOUT: that was the last time.
err_t retransmit_again(struct ike_sa *sa);
