// stages.h - what the files of the path share: the stages that path.c lists, and the waiting room.
#pragma once

#include "xfrm/db/db.h"
#include "xfrm/path/path.h"

void out_assemble(struct worker *w, struct burst *b);
void out_classify(struct worker *w, struct burst *b);
void out_resolve(struct worker *w, struct burst *b);
void out_own(struct worker *w, struct burst *b);
void out_measure(struct worker *w, struct burst *b);
void out_gather(struct worker *w, struct burst *b);
void out_number(struct worker *w, struct burst *b);
void out_wrap(struct worker *w, struct burst *b);
void out_seal(struct worker *w, struct burst *b);
void out_nest(struct worker *w, struct burst *b);
void out_send(struct worker *w, struct burst *b);

void out_blank(struct worker *w, struct burst *b);

void icmp_listen(struct worker *w, struct burst *b);

void in_find_sa(struct worker *w, struct burst *b);
void in_own(struct worker *w, struct burst *b);
void in_replay(struct worker *w, struct burst *b);
void in_open(struct worker *w, struct burst *b);
void in_commit(struct worker *w, struct burst *b);
void in_unwrap(struct worker *w, struct burst *b);
void in_unpack(struct worker *w, struct burst *b);
void in_nest(struct worker *w, struct burst *b);
void in_conform(struct worker *w, struct burst *b);
void in_deliver(struct worker *w, struct burst *b);

// For further SAs of a packet, when it is too late to hand it over. Is it this worker's, now at
// last?
bool own_or_claim(const struct worker *w, struct sa *sa);
// The same for an outbound SA that is to send something.
bool own_or_claim_out(const struct worker *w, struct sa *sa);
// Outbound: drops packets whose next SA is another worker's.
void nest_own(struct worker *w, struct burst *b);

#define ESP_HEADER 8U // SPI and sequence number; the IV follows
#define AH_HEADER 12U // next header, length, SPI, sequence number; the ICV follows

// Where SPI and, 4 bytes on, the sequence number stand.
static inline uint32_t spi_offset(const struct pkt *p)
{
    return p->proto == XFRM_PROTO_AH ? 4 : 0;
}
static inline bool sa_is_ah(const struct sa *sa)
{
    return sa->proto == XFRM_PROTO_AH;
}
static inline bool sa_is_esp(const struct sa *sa)
{
    return sa->proto == XFRM_PROTO_ESP;
}
// IPComp and its companion count nothing and prove nothing.
static inline bool sa_is_numbered(const struct sa *sa)
{
    return sa_is_esp(sa) || sa_is_ah(sa);
}
static inline uint32_t pkt_room_before(const struct pkt *p)
{
    return (uint32_t)(p->at - p->room);
}
static inline uint32_t pkt_room_behind(const struct pkt *p)
{
    return p->size - pkt_room_before(p) - p->len;
}

// ---- what explain.c asks of the stages: their decisions, which change nothing but p ----
// classify.c: what the database is asked about an outbound packet whose flow has been read.
struct spd_ask classify_ask(const struct worker *w, const struct pkt *p);
// Sets drop, or done for what goes on in clear, by p->policy.
void classify_decide(const struct worker *w, struct pkt *p);
// resolve.c: the SA that serves a template of p->policy now, or NULL.
struct sa *resolve_sa(const struct worker *w, const struct pkt *p, unsigned tmpl);
// conform.c: the policy that decides inbound, and what it says to a packet that came through
// p->sas.
struct policy *conform_policy(const struct worker *w, const struct pkt *p);
enum drop conform_judge(const struct worker *w, const struct pkt *p);

// ---- hint.c ----
// The policies of a burst whose flows have been read.
void hint_policies(const struct worker *w, const struct burst *b, enum xfrm_dir dir);
// The SAs of a burst: outbound their policies are known, inbound SPI and destination.
void hint_sas_out(const struct worker *w, const struct burst *b);
void hint_sas_in(const struct worker *w, const struct burst *b);

// ---- flow.c ----
bool flow_has_ports(uint8_t proto); // in the first four bytes behind the IP header
// Would a policy lookup give the same answer for both?
bool flow_alike(const struct pkt *a, const struct pkt *b);
// A quick flow_read() for trains. True: the header is a plain one with ports that says the same as
// that of `before`, which has been read and not been changed, and the mark is the same; flow and
// len are set. False: nothing is known.
bool flow_repeat(struct pkt *p, const struct pkt *before);

// ---- find_sa.c ----
// What an inbound packet is for; `at`: its ESP, AH, IPComp or inner IP header.
struct sa_ask {
    const ip_t *src, *dst;
    const uint8_t *at; // sa_can_ask() has agreed
    uint32_t mark;
    uint8_t proto;
};
// NULL: for no SA of ours.
struct sa *sa_asked(const struct db *db, const struct sa_ask *ask);
// Is it a protocol that an SA could want, and are there enough bytes of it to tell which?
bool sa_can_ask(uint8_t proto, uint32_t len);

// ---- ah.c ----
// Bytes of the header, ICV included.
uint32_t ah_header_len(const struct sa *sa);
// Outbound: the header, its ICV still empty, in front of the payload. False: does not fit.
bool ah_wrap(struct pkt *p, uint8_t next);
// Puts in the ICV. The IP header stands in front of p->at, p->head_len bytes long.
void ah_seal(struct pkt *p);
// Inbound: verifies. The IP header is p->head; it is made where no one has left it. Sets p->drop.
void ah_open(struct pkt *p);
// Takes the header off an opened packet and says what follows.
void ah_strip(struct pkt *p, uint8_t *next);

// ---- wrap.c ----
// To how many bytes TFC pads this packet of a tunnel; 0: not at all.
uint32_t esp_tfc(const struct pkt *p, const struct xfrm_sa *x);
// Header and trailer around the payload, all that is to be encrypted. False: does not fit.
bool esp_wrap(struct pkt *p, uint8_t next);

// The mark that a packet leaves with: without an output mark of the SA 0, which means the
// executor's own. (The kernel leaves it that of the inner packet; its rules would lead ours back.)
static inline uint32_t mark_set(uint32_t before, const struct xfrm_mark *output)
{
    return output->value | output->mask ? (before & ~output->mask) | output->value : 0;
}

// ---- number.c ----
// The SA has gone since the burst found it: its successor is there, before anybody takes the elder
// away, and carries the packet. With several SAs around one another that is left alone.
void number_pass_on(struct worker *w, struct pkt *p);

// ---- account.c: traffic of an SA against its lifetime ----
// Counts one packet of `bytes`; raises the EXPIRE event when a limit is reached. False: the hard
// lifetime is over and the packet must not use the SA.
bool account_packet(struct worker *w, struct sa *sa, uint32_t bytes);

// ---- hold.c ----
// The template as it is meant for this packet: transport mode takes its addresses from there.
struct xfrm_tmpl tmpl_for(const struct pkt *p, unsigned tmpl);
// The SA of this template (of p->policy) is missing: asks for it (ACQUIRE) unless that has been
// done already.
void hold_ask(struct worker *w, const struct pkt *p, unsigned tmpl);
// The same, and keeps the packet until it is there. A full queue gives it a drop word.
void hold_keep(struct worker *w, struct pkt *p, unsigned tmpl);
