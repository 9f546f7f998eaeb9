// terms_label.h - labels of traffic selectors (RFC 9478), as `label_mode = simple` has them: they
// say which child is meant, and no packet is looked at for one.
#pragma once

#include "conf/config.h"
#include "ike/codec/msg.h"
#include "ike/codec/payloads.h"

span_t terms_label(const struct conf_child *f); // the child's, as it is sent; empty: it has none

// A request: is the child's label among those that stand in both selectors, or have both none?
bool terms_label_fits(const struct msg *in, const struct conf_child *f);
// An answer: has it the child's label in both selectors, and no other?
// ERR_NOCHOICE with a sentence: it has not.
err_t terms_label_check(const struct msg *in, const struct conf_child *f, struct why *why);

// " and the label `x`", of a request; empty if there is none. Returns buf.
#define TERMS_LABEL_TEXT_MAX 128
const char *terms_label_show(const struct msg *in, char buf[TERMS_LABEL_TEXT_MAX]);
