// terms_comp.h - IPComp among the terms of a child SA (RFC 7296 2.22): each side says where it
// wants compressed packets (a CPI), and DEFLATE is the one algorithm. Without it the child SA
// comes, too.
#pragma once

#include "ike/exchange/step.h"

// A CPI for a child that is to be compressed; 0: it is not, or the executor has none to give.
uint16_t terms_comp_cpi(struct ike_sa *sa, const struct conf_child *f, uint32_t reqid);
void terms_comp_put(struct msgw *m, uint16_t cpi); // 0: nothing
// The peer's CPI for DEFLATE, or 0.
uint16_t terms_comp_take(const struct msg *in);
