// comp.h - IPComp: payloads deflated on the way out and inflated on the way in (RFC 3173, 2394).
//
//     | next header | 0 | CPI (16 bits) | deflated payload |
//
// What a worker needs for it is made once: nothing is allocated per packet. One thread at a time.
#pragma once

#include "xfrm/path/stages.h"

#define COMP_HEADER 4
// Payloads below this are not worth trying; the kernel's number for deflate.
#define COMP_PAYLOAD_MIN 90
// Largest payload that one packet may inflate to: what an IP packet can hold. More is a bomb.
#define COMP_INFLATED_MAX 65515

struct comp;

struct comp *comp_new(void); // NULL when out of memory
void comp_free(struct comp *c);

// Outbound: deflates the payload and puts the header in front. False: it stays as it is, since it
// is too small or does not shrink (RFC 3173 2.2).
bool comp_wrap(struct comp *c, struct pkt *p, uint8_t next);
// Inbound: from the header to the payload, and what that is. p->head moves along. Otherwise the
// reason why not.
enum drop comp_open(struct comp *c, struct pkt *p, uint8_t *next);
