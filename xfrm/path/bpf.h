// bpf.h - classic BPF programs, as pcap_compile() makes them, run over packets in memory. The
// programs come over a socket: none is run that bpf_check() has not agreed to. All jumps lead
// forward, so a run takes no more steps than the program has.
#pragma once

#include <linux/filter.h> // struct sock_filter

#include "base/cursor.h"

#define BPF_STEPS_MAX 1024 // an expression with a hundred hosts has some 400

// ERR_SYNTAX, ERR_RANGE, with a sentence that names the step: an unknown or unsafe instruction, a
// jump out of the program, no end; extensions of Linux (negative offsets) are unknown here.
err_t bpf_check(const struct sock_filter *program, unsigned steps, struct why *why);
// What the program returns: 0 is "no match". `len` is what the packet has, of which the first
// packet.len bytes are here; who reads behind them gets 0.
uint32_t bpf_run(const struct sock_filter *program, span_t packet, uint32_t len);
