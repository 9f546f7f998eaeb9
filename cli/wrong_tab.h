// wrong_tab.h - the warnings of `pavise status`: each has a code, what it means, what to do.
// Between the files that find what is wrong only; doc/pavise-status.8 lists them.
#pragma once

#include <jansson.h>

// X(symbol, code, meaning, remedy)
#define WRONG_LIST(X)                                                                              \
    X(NEGOTIATING, "negotiating", "a negotiation has begun and has not come to its end",           \
      "does the peer answer? 'pavise log' shows what happens")                                     \
    X(NATT_BLOCKED, "natt-blocked",                                                                \
      "the peer answers on UDP port 500, and nothing comes back on port 4500, where all goes on",  \
      "let UDP 4500 pass in both directions, in every firewall on the way")                        \
    X(NO_CHILD, "no-child", "the peers know each other, but no traffic is agreed on",              \
      "bring a child up: 'pavise up NAME'; 'pavise conns' shows the names")                        \
    X(NOTHING_BACK, "nothing-back", "packets go out, and none has ever come back",                 \
      "does the peer get them (firewall for UDP 4500 and protocol 50), and does it route answers " \
      "back into the tunnel?")                                                                     \
    X(NOTHING_OUT, "nothing-out", "packets come in, and none has ever gone out",                   \
      "do hosts here answer, and does their route lead through this one?")                         \
    X(NO_INBOUND, "no-inbound", "packets go out, and none has come in for a while",                \
      "is the peer still there? 'pavise rekey NAME' asks it; its host may have lost its SAs")      \
    X(NAT_LOST, "nat-lost",                                                                        \
      "the peer is behind a NAT that has probably forgotten it: nothing comes in any more",        \
      "the peer has to send keepalives (every 20 s); only it can open the way again")              \
    X(NO_ENCAP, "nat-no-encap", "there is a NAT on the way, and ESP goes without UDP around it",   \
      "most NATs drop bare ESP: set encap = yes, or let the peers detect the NAT (RFC 3948)")      \
    X(NATT_MISSING, "natt-missing",                                                                \
      "ESP goes out bare and none comes back, and the peer takes no part in NAT traversal "        \
      "(RFC 7296 2.23)",                                                                           \
      "a NAT on the way drops it: switch NAT traversal on at the peer and let UDP 4500 pass, or "  \
      "have the NAT pass IP protocol 50 on in both directions")                                    \
    X(WEAK, "weak-algorithm", "an algorithm that is no longer thought strong is in use",           \
      "leave it out of proposals and esp_proposals on both sides; 'default' has none of them")     \
    X(READABLE, "not-encrypted", "a tunnel proves who sent its packets, but does not hide them",   \
      "if that is not meant: choose a cipher other than null in esp_proposals")                    \
    X(SA_ALONE, "sa-without-policy", "no policy sends packets into this SA",                       \
      "SAs without policies carry nothing out: did another program delete the policy?")            \
    X(SHADOWED, "policy-shadowed", "a policy of higher precedence takes all of its packets",       \
      "give it the smaller priority value, or take the other one away ('pavise xfrm policy')")     \
    X(CERT_EXPIRED, "certificate-expired", "a certificate is no longer valid: nobody believes it", \
      "have it renewed, put it in its place, and 'pavise reload'")                                 \
    X(CERT_ENDS, "certificate-expires", "a certificate will soon be no longer valid",              \
      "have it renewed before that, put it in its place, and 'pavise reload'")                     \
    X(CLOCK, "clock-suspected",                                                                    \
      "a certificate begins in the future, by the clock of this host: that clock is behind, or "   \
      "that of who issued it is ahead",                                                            \
      "compare the clocks ('date -u' on both hosts) and let NTP set them; else wait")              \
    X(FORWARDING, "forwarding-off",                                                                \
      "this host is a gateway for a network, and its kernel does not pass packets on",             \
      "sysctl -w net.ipv4.ip_forward=1 (IPv6: net.ipv6.conf.all.forwarding=1), and keep it in "    \
      "/etc/sysctl.d")                                                                             \
    X(CLEAR_IN, "clear-in", "packets came in clear, where a policy wants protection",              \
      "does the peer send unprotected, or is somebody forging its packets?")                       \
    X(NO_EXECUTOR, "executor-down", "no packet is protected while pavise-xfrmd does not run",      \
      "start pavise-xfrmd; pavise-iked finds it again by itself")                                  \
    X(REPLAY, "replay-drops", "packets came a second time, or too late for the window",            \
      "many of them: a replay attack, or reordering on the way (a larger replay_window helps)")    \
    X(INTEGRITY, "integrity-drops", "packets were changed on the way, or forged",                  \
      "few: somebody tries; all: the peers have different keys, 'pavise rekey NAME' gives new "    \
      "ones")                                                                                      \
    X(FRAGMENTS, "fragments-lost", "pieces of large packets are missing",                          \
      "something on the way drops fragments: lower the MTU of the hosts, or --mss-clamp")          \
    X(TOO_LONG, "too-long", "packets are longer than the path takes",                              \
      "their senders have been told; if they do not learn, ICMP is filtered: lower their MTU, or " \
      "start pavise-xfrmd with --mss-clamp")                                                       \
    X(MTU, "mtu-suspected",                                                                        \
      "short packets pass, long ones vanish, and no router says what would fit: ICMP is filtered " \
      "on the way (RFC 2923 2.1)",                                                                 \
      "let ICMP 'fragmentation needed' (IPv6: 'packet too big') pass on the way; until then "      \
      "start "                                                                                     \
      "pavise-xfrmd with --mss-clamp 1100, or with --mtu 1200, on one side")                       \
    X(NO_ANSWER, "no-sa-in-time", "packets waited for a tunnel that did not come up",              \
      "'pavise log' shows why the negotiation fails; 'pavise explain SRC DST' which one it is")    \
    X(DROPS, "drops", "packets were dropped", "")

enum wrong_code {
#define X(symbol, code, meaning, remedy) WRONG_##symbol,
    WRONG_LIST(X)
#undef X
};

// Appends a warning: what, for people, about whom. Meaning and remedy come from the list.
void wrong_add(json_t *list, enum wrong_code code, const char *about, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

// wrong_sa.c: about one IKE SA and its children, as list-sas shows them.
void wrong_sa(json_t *list, const char *name, const json_t *sa);
// wrong_time.c: about certificates and clocks; now: seconds since 1970.
void wrong_certs(json_t *list, const json_t *certs, int64_t now);
void wrong_peer_cert(json_t *list, const char *name, const json_t *sa, int64_t now);
void wrong_clock(json_t *list, const json_t *stats);
