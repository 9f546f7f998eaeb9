// topics_tab.c - see topics.h.
#include "cli/topics.h"

#include <stddef.h>

const struct topic topics[] = {
    {"spd", "Security Policy Database",
     "Which packets have to be protected, which may pass in clear, which are dropped. Each packet "
     "is held against "
     "its policies by their priority (the smallest value goes first); the first that matches "
     "decides. A packet "
     "that none matches passes as if there were no IPsec, unless the default says otherwise. (RFC "
     "4301 4.4.1)",
     "pavise xfrm policy"},
    {"sad", "Security Association Database",
     "How packets are protected: one entry (SA) for each direction, with keys, algorithm, sequence "
     "number and "
     "replay window. A policy says that a packet needs protection, an SA gives it. (RFC 4301 "
     "4.4.2)",
     "pavise xfrm state"},
    {"spi", "Security Parameter Index",
     "The number in front of every ESP and AH packet by which the receiver finds the SA. The "
     "receiver chooses it: "
     "the two directions of a tunnel have two SPIs. (RFC 4301 4.1)",
     "pavise xfrm state"},
    {"reqid", "the thread between a policy and its SAs",
     "A policy asks for SAs of this number; when new keys come, the new SAs have the same one, and "
     "the policy stays "
     "as it is. It is Linux' own and never on the wire.",
     "pavise xfrm explain"},
    {"selectors", "which packets a tunnel is for",
     "Networks, protocol and ports on both sides (local_ts, remote_ts). The peers have to agree: "
     "what is local on "
     "one side is remote on the other. The smaller offer wins; with nothing in common there is no "
     "tunnel "
     "(TS_UNACCEPTABLE). (RFC 7296 2.9)",
     "pavise explain 10.1.0.1 10.2.0.1"},
    {"tunnel", "tunnel mode",
     "The whole packet is hidden inside a new one between two gateways, which need not be its "
     "ends. For networks "
     "behind gateways and for clients with a virtual address. (RFC 4301 3.2)",
     "pavise status"},
    {"transport", "transport mode",
     "Only what is behind the IP header is protected; the addresses stay as they are. For two "
     "hosts that speak for "
     "themselves: a header less to carry. (RFC 4301 3.2)",
     "pavise xfrm state"},
    {"nat-t", "NAT traversal",
     "A NAT rewrites addresses and knows no ESP. The peers notice it by hashes of their addresses, "
     "and go on in UDP "
     "on port 4500, IKE and ESP both; small packets every 20 s keep the NAT from forgetting. If "
     "UDP 4500 is "
     "blocked, IKE_SA_INIT is answered and nothing after it. (RFC 7296 2.23, RFC 3948)",
     "pavise status"},
    {"replay", "protection against replay",
     "Each packet has a number; the receiver keeps a window of those that it has seen and drops "
     "what comes twice or "
     "is too old. Heavy reordering on the way wants a larger window (replay_window). (RFC 4303 "
     "3.4.3)",
     "pavise xfrm stat"},
    {"pfs", "perfect forward secrecy",
     "A child SA may have a key exchange of its own (a group in esp_proposals): then whoever "
     "learns the keys of the "
     "IKE SA does not have those of the children. The first child has the IKE SA's own exchange. "
     "(RFC 7296 1.3)",
     "pavise conns"},
    {"rekeying", "new keys before the old ones are worn out",
     "Keys have a lifetime. Before it ends a new SA is negotiated beside the old one, traffic "
     "moves over, and the "
     "old one goes: no packet is lost. (RFC 7296 2.8)",
     "pavise rekey NAME"},
    {"post-quantum", "key exchange that a quantum computer does not break",
     "Recorded traffic can be decrypted once somebody has a quantum computer, unless a key "
     "exchange like ML-KEM took "
     "part. The default proposals have X25519 and ML-KEM-768 one after the other, in case the peer "
     "can. (RFC 9370)",
     "pavise status"},
    {"mtu", "how long packets may be",
     "Protection makes packets longer, and what does not fit is cut or refused. The sender is told "
     "by ICMP; where a "
     "firewall drops that, small packets pass and large ones vanish. --mss-clamp helps TCP. (RFC "
     "4301 8)",
     "pavise explain 10.1.0.1 10.2.0.1 tcp 443 --length 1400"},
    {"stages", "a packet's walk, while it happens",
     "Outbound: classify (which policy), resolve (which SA), measure, number, wrap, seal, send. "
     "Inbound: find_sa, replay, open, unwrap, conform (was the SA allowed to carry it), deliver. "
     "In mode iptfs packets gather before they are numbered, and are unpacked before conform. "
     "Whatever is dropped is dropped by one of these stages, and each reason has a word, which "
     "'pavise xfrm stat' counts. (RFC 4301 5)",
     "pavise trace --drops"},
    {NULL, NULL, NULL, NULL},
};
