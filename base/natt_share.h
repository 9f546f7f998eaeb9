// natt_share.h - how the IKE daemon and the ESP executor share UDP port 4500 (RFC 3948 2.2).
//
// Both bind the port with SO_REUSEPORT, which makes them one group per family; the kernel asks a
// small classic BPF program which member gets a packet. The first four payload bytes tell:
//
//     00 00 00 00 ...   non-ESP marker, then an IKE message   -> the IKE daemon
//     SPI (not 0) ...   ESP                                   -> the executor
//     fewer than 4      a keepalive (one byte 0xff) or rubbish: to anyone, who must drop it
//
// The program names a member by its index. Indices follow the order of binding, and when a
// member leaves, the last one takes its place. So the rule that both daemons follow is:
// *whoever binds attaches the program that is right if he is the last of two*:
//
//     executor binds:    IKE -> 0, ESP -> 1          IKE daemon binds:   IKE -> 1, ESP -> 0
//
// A daemon that is alone gets everything (an index out of range falls back to the only member)
// and must drop what is not for him. Whichever of the two restarts is the last again, so every
// order of starts, stops and crashes ends with the right program in place.
#pragma once

#include <stdbool.h>

#include "base/err.h"

// Prepares a UDP socket for sharing; call before bind(). ERR_SYSTEM (errno is left as it was set).
err_t natt_share_prepare(int fd);
// Attaches the program; call right after bind(). ERR_SYSTEM (errno is left as it was set).
err_t natt_share_attach(int fd, bool i_am_ike);
