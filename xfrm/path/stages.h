// stages.h - what the files of the path share: the stages that path.c lists, and the waiting room.
#pragma once

#include "xfrm/db/db.h"
#include "xfrm/path/path.h"

void out_classify(struct worker *w, struct burst *b);
void out_resolve(struct worker *w, struct burst *b);
void out_number(struct worker *w, struct burst *b);
void out_wrap(struct worker *w, struct burst *b);
void out_seal(struct worker *w, struct burst *b);
void out_send(struct worker *w, struct burst *b);

void in_find_sa(struct worker *w, struct burst *b);
void in_replay(struct worker *w, struct burst *b);
void in_open(struct worker *w, struct burst *b);
void in_commit(struct worker *w, struct burst *b);
void in_unwrap(struct worker *w, struct burst *b);
void in_conform(struct worker *w, struct burst *b);
void in_deliver(struct worker *w, struct burst *b);

#define ESP_HEADER 8 // SPI and sequence number; the IV follows

// ---- flow.c ----
// Would a policy lookup give the same answer for both?
bool flow_alike(const struct pkt *a, const struct pkt *b);

// ---- account.c: traffic of an SA against its lifetime ----
// Counts one packet of `bytes`; raises the EXPIRE event when a limit is reached. False: the hard
// lifetime is over and the packet must not use the SA.
bool account_packet(struct worker *w, struct sa *sa, uint32_t bytes);

// ---- hold.c ----
// The SA of this template (of p->policy) is missing: asks for it (ACQUIRE) unless that has been
// done already.
void hold_ask(struct worker *w, const struct pkt *p, unsigned tmpl);
// The same, and keeps the packet until it is there. A full queue gives it a drop word.
void hold_keep(struct worker *w, struct pkt *p, unsigned tmpl);
