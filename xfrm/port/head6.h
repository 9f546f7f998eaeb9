// head6.h - the IPv6 header of a packet that a raw socket has received. IPv4 hands it over, IPv6
// does not (RFC 3542 3): it is put together again from what control messages tell. AH covers it
// (RFC 4302 3.3.3.1.2), and transport mode gives it back to the host.
#pragma once

#include <sys/socket.h>

#include "base/err.h"
#include "xfrm/path/pkt.h"

// Bytes of control messages for as many extension headers as are looked through.
#define HEAD6_CONTROL_MAX 448

// Makes a socket tell of extension headers. False: the kernel cannot.
bool head6_ask(int fd);
// Leaves the header in front of p->at, with p->head and head_len, if there are extension headers;
// nothing otherwise. from, to and outer_tos are known. `protocol`: what follows them. A head that
// does not hold together, or too long a one, makes p a packet of no bytes, which is malformed.
// Needs IP_HEAD_MAX bytes of room in front of p->at.
void head6_restore(struct msghdr *h, struct pkt *p, uint8_t protocol);
