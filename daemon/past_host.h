// past_host.h - what the host does with packets that it forwards, as far as past.h needs to know.
// Control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Is forwarding switched on (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding)?
bool past_host_forwards(uint16_t family);
// Are there rules that translate source addresses: nftables or iptables, a chain of type nat at
// postrouting that is not empty? True also where that cannot be seen.
bool past_host_translates(uint16_t family);
