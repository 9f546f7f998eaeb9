// drop.h - why a packet was not let through: one word each, the same in counters, trace, logs and
// documentation. The kernel's name for the same thing (/proc/net/xfrm_stat) stands beside it.
#pragma once

// X(symbol, word, kernel counter or "", what a human reads)
#define DROP_LIST(X)                                                                              \
    X(NONE, "none", "", "not dropped")                                                            \
    X(MALFORMED_IN, "malformed-in", "XfrmInHdrError", "not a well-formed IP or ESP packet")       \
    X(NO_SA, "no-sa", "XfrmInNoStates", "no SA has this SPI and destination")                     \
    X(REPLAY, "replay", "XfrmInStateSeqError", "sequence number seen before or too old")          \
    X(AUTH, "auth", "XfrmInStateProtoError", "integrity check failed: changed or forged")         \
    X(PADDING, "padding", "XfrmInStateProtoError", "ESP trailer does not make sense")             \
    X(INFLATE, "inflate", "XfrmInStateProtoError", "IPComp: not what deflate makes of a payload") \
    X(BOMB, "bomb", "XfrmInStateProtoError", "IPComp: inflates to more than an IP packet holds")  \
    X(EXPIRED_IN, "expired-in", "XfrmInStateExpired", "hard lifetime of the inbound SA is over")  \
    X(MODE, "mode", "XfrmInStateModeError", "inner packet does not fit the SA's mode")            \
    X(IPTFS, "iptfs", "XfrmInIptfsError",                                                         \
      "IP-TFS: a packet of which a part was lost, or a payload that makes no sense")              \
    X(IPTFS_LATE, "iptfs-late", "XfrmInIptfsError",                                               \
      "IP-TFS: came when those behind it had stopped waiting")                                    \
    X(ECN, "ecn", "XfrmInHdrError",                                                               \
      "marked as having met congestion, but the inner packet knows no ECN")                       \
    X(FRAGMENT_IN, "fragment-in", "XfrmInHdrError",                                               \
      "a fragment out of transport or BEET mode, which carry whole packets")                      \
    X(ENCAP, "encap", "XfrmInStateMismatch", "UDP encapsulation does not match the SA")           \
    X(SELECTOR, "selector", "XfrmInStateMismatch", "SA was not allowed to carry this packet")     \
    X(TEMPLATE, "template", "XfrmInTmplMismatch", "not by such SAs as the policy asks for")       \
    X(POLICY_IN, "policy-in", "XfrmInPolBlock", "inbound policy says block")                      \
    X(NO_POLICY_IN, "no-policy-in", "XfrmInNoPols", "no inbound policy allows this packet")       \
    X(MALFORMED_OUT, "malformed-out", "XfrmOutError", "not a well-formed IP packet")              \
    X(POLICY_OUT, "policy-out", "XfrmOutPolBlock", "outbound policy says block")                  \
    X(NO_POLICY_OUT, "no-policy-out", "XfrmOutPolBlock",                                          \
      "no outbound policy matches, and the default is to block")                                  \
    X(NO_FLOW, "no-flow", "XfrmOutPolBlock",                                                      \
      "belongs to no flow that came in by an SA, and others of that network are protected")       \
    X(ACQUIRE_FULL, "acquire-full", "XfrmOutNoStates", "no SA yet and the waiting room is full")  \
    X(ACQUIRE_TIMEOUT, "acquire-timeout", "XfrmOutNoStates", "no SA came in time")                \
    X(EXPIRED_OUT, "expired-out", "XfrmOutStateExpired",                                          \
      "hard lifetime of the outbound SA is over")                                                 \
    X(SEQ_SPENT, "seq-spent", "XfrmOutStateSeqError", "sequence numbers are used up")             \
    X(PATH_MTU, "path-mtu", "XfrmOutStateModeError",                                              \
      "longer than the path allows; its sender has been told")                                    \
    X(ICMP, "icmp", "", "an ICMP message that concerns no SA of ours, or is not credible")        \
    X(TOO_BIG, "too-big", "XfrmOutStateModeError", "does not fit into an IP packet")              \
    X(FRAGMENT_OUT, "fragment-out", "XfrmOutStateModeError",                                      \
      "transport and BEET mode carry whole packets, not fragments")                               \
    X(ASSEMBLY, "assembly", "XfrmOutStateModeError",                                              \
      "a datagram whose fragments are missing, overlap, or are too many at a time")               \
    X(UDP_LAYER, "udp-layer", "XfrmOutStateModeError",                                            \
      "ESP in UDP takes no IP options, extension headers or further layer around it")             \
    X(UDP_SOURCE, "udp-source", "XfrmOutError",                                                   \
      "no socket has the UDP port that the SA's packets come from")                               \
    X(IPTFS_QUEUE, "iptfs-queue", "XfrmOutNoQueueSpace",                                          \
      "IP-TFS: more bytes wait for their SA than may (max-queue-size)")                           \
    X(TTL, "ttl", "XfrmOutStateModeError", "hop limit reached zero")                              \
    X(NO_BUFFER_IN, "no-buffer-in", "XfrmInBufferError", "out of packet buffers")                 \
    X(NO_BUFFER_OUT, "no-buffer-out", "XfrmOutError", "out of packet buffers")                    \
    X(HAND_OVER, "hand-over", "XfrmInError", "the worker that owns the SA has no room")           \
    X(SEAL, "seal", "XfrmOutStateProtoError", "encryption failed")                                \
    X(SEND, "send", "XfrmOutError", "the socket refused the packet")                              \
    X(DELIVER, "deliver", "XfrmInError", "the TUN device refused the packet")

enum drop {
#define X(name, word, kernel, text) DROP_##name,
    DROP_LIST(X)
#undef X
        DROP_COUNT
};

const char *drop_word(enum drop d);   // "replay"
const char *drop_kernel(enum drop d); // "XfrmInStateSeqError"
const char *drop_text(enum drop d);
