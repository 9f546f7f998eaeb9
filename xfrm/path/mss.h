// mss.h - the maximum segment size that TCP offers (RFC 9293 3.7.1), made smaller on its way
// through an SA: for paths that neither carry long packets nor let ICMP tell so.
#pragma once

#include "xfrm/path/path.h"

#define MSS_OFF 0
#define MSS_AUTO UINT16_MAX // as much as fits into what is known of the path
#define MSS_MIN 88          // as the kernel: less carries more header than data

// p: an inner packet with its SAs in p->sas; outbound before it is wrapped, inbound after it has
// been opened. Nothing happens to it if it opens no TCP connection.
void mss_clamp_out(struct worker *w, struct pkt *p);
void mss_clamp_in(struct worker *w, struct pkt *p);
