// natt_share.h - how the IKE daemon and the ESP executor share UDP port 4500 (RFC 3948 2.2).
//
// All bind the port with SO_REUSEPORT, which makes their sockets one group per family: one socket
// of the IKE daemon, and one for each worker of the executor. The kernel asks a small classic BPF
// program which member gets a packet. The first four payload bytes tell:
//
//     00 00 00 00 ...   non-ESP marker, then an IKE message   -> the IKE daemon
//     SPI (not 0) ...   ESP                -> the executor's socket number SPI modulo their count
//     fewer than 4      a keepalive (one byte 0xff) or rubbish: to anyone, who must drop it
//
// The program names a member by its index. Indices follow the order of binding, and when a
// member leaves, the last one takes its place. So the rule that both daemons follow is:
// *whoever binds attaches the program that is right if he is the last*:
//
//     n executor sockets behind IKE:  IKE -> 0, ESP -> 1..n
//     n executor sockets alone:       IKE -> n, ESP -> 0..n-1
//     IKE daemon behind n of them:    IKE -> n, ESP -> 0..n-1
//
// The IKE daemon learns n by counting the group's sockets in /proc/net/udp (without it: 1), and the
// executor in the same way whether somebody is there. A daemon that is alone gets everything (an
// index out of range falls back to a member chosen by a hash) and must drop what is not for him.
// Whichever of the two restarts is the last again, so every order of starts, stops and crashes ends
// with IKE at the IKE daemon and ESP at the executor. Which worker's socket it is may change by
// that; workers hand over what is another's.
#pragma once

#include <stdbool.h>

#include "base/err.h"

// Prepares a UDP socket for sharing; call before bind(). ERR_SYSTEM (errno is left as it was set).
err_t natt_share_prepare(int fd);
// Attaches the program; call right after bind(). ERR_SYSTEM (errno is left as it was set).
err_t natt_share_attach(int fd, bool i_am_ike);
// The same for an executor with `sockets` of them, after the last bind(). `behind_ike`: an IKE
// daemon's socket was there before the first.
err_t natt_share_attach_esp(int fd, unsigned sockets, bool behind_ike);
// The same for an IKE daemon beside an executor that is known to have so many: at a single address
// it has one (daemon/lent.h), and any other there is an earlier IKE daemon's.
err_t natt_share_attach_ike(int fd, unsigned sockets);
// Sockets in the group of the bound socket fd, itself included. 0: /proc does not tell.
unsigned natt_share_count(int fd);
