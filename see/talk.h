// talk.h - one IKE SA as a capture shows it: who said what, what was offered, what is awaited.
// Between the files of see/ only.
#pragma once

#include "ike/codec/msg.h"
#include "ike/codec/payloads.h"
#include "ike/sa/keys.h"
#include "ike/sa/reassembly.h"
#include "see/dig.h"
#include "see/note.h"
#include "see/see.h"
#include "see/stream.h"

// Sides: who opened the IKE SA (flag I), and who answered then.
enum side { INITIATOR, RESPONDER };

// The newest request, or response, of one side.
struct spoken {
    bool any, answered;
    uint8_t exchange;
    uint32_t id;
    uint64_t frame, time, last_time;
    unsigned repeats;          // how often the same came again
    uint16_t pieces;           // as many as it was cut into; 0: one whole
    uint64_t hash[PIECES_MAX]; // of each piece; 0: not seen
};

// What one side has asked for in the exchange that is open, to judge the answer by.
struct asked {
    struct proposals *offer; // NULL: nothing seen, or it was encrypted
    struct ts_list *tsi, *tsr;
};

struct talk {
    uint64_t spi_i, spi_r;
    endpoint_t at[2];            // by side: where it spoke from last
    uint64_t began;              // frame
    bool from_start;             // IKE_SA_INIT is in the capture
    bool fragments[2];           // said that it takes IKE fragments
    bool nat[2];                 // a NAT stands before this side
    unsigned rounds[2];          // IKE_INTERMEDIATE exchanges that AUTH covers, of each side
    bool uncovered;              // one of them could not be read
    uint8_t covered[2][PRF_MAX]; // IntAuth_i, IntAuth_r (RFC 9242 3.3.2)
    bool chosen_known, authenticated, deleted;
    struct proposal chosen;
    struct blob first[2]; // IKE_SA_INIT of each side, as AUTH covers it
    struct blob nonce[2];
    struct blob id[2];   // bodies of the ID payloads
    struct blob cert[2]; // the first certificate
    char name[2][160];   // identities for people
    char refused[160];   // by which notify, by whom
    struct spoken request[2], response[2];
    struct asked asked[2];
    struct reassembly pieces[2][2]; // by side, by request or response
    bool keyed;                     // there are keys of it
};

// A message while it is looked at.
struct hearing {
    struct see *see;
    struct talk *talk;
    const struct dug *dug;
    const struct frame *frame;
    struct msg *m;
    struct note note;
    enum side side;
    bool response, opened; // opened: it was clear, or has been decrypted
};

struct flow;
struct see {
    struct see_options o;
    struct dig dig;
    struct streams streams;
    struct talk *talk[TALKS_MAX];
    unsigned talks;
    struct flow *flow[FLOWS_MAX];
    unsigned flows;
    uint64_t began; // time of the first frame
    uint64_t frames, ike, esp, ah, keepalives, forgotten;
    size_t held; // by reassemblies
    uint8_t wire[IKE_MSG_MAX + 1], whole[IKE_MSG_MAX];
};

// hear.c: an IKE message. flow.c: ESP and AH.
void hear(struct see *s, const struct dug *d, const struct frame *f);
void hear_done(struct talk *t, struct see *s);
void hear_icmp(struct see *s, const struct dug *d, const struct frame *f);
json_t *talk_summary(const struct talk *t);
void flow_hear(struct see *s, const struct dug *d, const struct frame *f);
json_t *flow_summary(const struct flow *f);

// Where and when: members that all events have.
struct note note_of(const struct see *s, const char *kind, const struct dug *d,
                    const struct frame *f);
void see_emit(struct see *s, struct note *n);

// tell.c: each payload in words.
void tell_payloads(struct hearing *h);
// broken.c: where a message that cannot be read breaks, and what was before.
void tell_broken(struct hearing *h, span_t wire, err_t err);
// ike1.c: a message of version 1.
void tell_ike1(struct note *n, span_t wire);
// rules.c: what the RFCs say about such a message.
void judge(struct hearing *h);
// agree.c: offers and answers.
void agree(struct hearing *h);
// prove.c: AUTH recomputed.
void prove(struct hearing *h);
// notify_tab.c
struct notify_meaning {
    uint16_t type;
    const char *rfc, *means, *remedy;
};
const struct notify_meaning *notify_meaning(uint16_t type); // NULL: not known
