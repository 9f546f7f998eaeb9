// keylog.h - keys in Wireshark's table formats (struct env keylog), for users who asked for it.
// Spellings are those of Wireshark 4.0; what it cannot decrypt becomes a comment line.
#pragma once

#include "ike/sa/child_sa.h"

void keylog_ike(const struct ike_sa *sa); // SPIi,SPIr,SK_ei,SK_er,"cipher",SK_ai,SK_ar,"integrity"
void keylog_child(const struct child_sa *c, const struct xfrm_sa *x); // one direction
