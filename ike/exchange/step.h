// step.h - the story of a negotiation as two tables (step.c): what we ask, and what we do with each
// message that comes in.
//
// How a message walks: receive.c finds the IKE SA by its SPI and the place of the message in the
// window, opens the Encrypted payload, and looks for the row here that fits state, exchange and
// payloads. The row's handler changes the IKE SA and writes the reply (to a request) or finishes
// the task that had asked (for a response). An error from the handler of a request becomes a
// Notify; a response is never answered. Then request.c starts the next task that waits.
#pragma once

#include "ike/codec/msg.h"
#include "ike/sa/child_sa.h"

// One message while it is handled.
struct turn {
    struct ike *ike;
    struct ike_sa *sa;
    const struct msg *in;
    const struct datagram *d;
    struct msgw out;   // requests: the reply, begun and empty
    struct task *task; // responses: what we had asked; NULL it to keep it
    uint16_t refuse;   // requests: the Notify to answer with if the handler fails; 0 = by its error
    struct notify about; // ... and its SPI and data
    uint8_t data[8];     // where its data may live
    struct ike_sa *heir; // takes over from sa once the answer is out
    bool new_keys;       // come into force once the answer is out
    bool newly_up;       // others of the same peer may have to go once the answer is out
    bool fatal;          // the IKE SA ends once the answer is out
    enum close_why why;  // ... for this reason
};

enum direction { REQUEST, RESPONSE };
enum role { INITIATOR = 1, RESPONDER = 2, EITHER = 3 }; // who opened the IKE SA: us, the peer

// A set of states.
#define S(name) (1U << IKE_##name)
#define ANY_PAYLOAD UINT64_MAX

struct step {
    const char *says; // the story line
    unsigned in;      // states, S(UP) | S(REKEYED)
    enum exchange exchange;
    enum direction direction;
    enum role role;
    enum task_kind asked; // RESPONSE: to which question; TASK_NONE = any
    uint16_t about;       // REQUEST: this Notify must be there; 0 = any
    uint64_t need, may;   // payloads that must, and that may besides, be there
    // ERR_AGAIN: a work was started (ike/sa/work.h). The message is kept, and `run` called again
    // when that is done.
    err_t (*run)(struct turn *t);
};

// The row for a message. asked: the kind of the task under way (responses). Errors: ERR_STATE (no
// such message is expected now), ERR_SYNTAX (it is, but not with these payloads).
err_t step_find(const struct ike_sa *sa, const struct msg *m, enum task_kind asked,
                const struct step **out);

// What we ask. `build` writes the payloads and may keep secrets in the task. Errors: ERR_AGAIN
// (nothing to ask any more: the task is done), ERR_STATE (not yet: it is asked a little later), any
// other fails the task.
struct question {
    const char *says;
    enum exchange exchange;
    unsigned in;         // states in which it can be asked
    enum ike_state then; // state that follows; IKE_NEW: it stays the same
    err_t (*build)(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why);
    // What takes long is done beforehand; NULL: nothing does. ERR_AGAIN: a work was started, whose
    // end calls request_next(). Any other error fails the task.
    err_t (*prepare)(struct ike_sa *sa, struct task *t, struct why *why);
};
const struct question *step_question(enum task_kind kind);
// ... and of a task: the same, or the next of its additional key exchanges.
const struct question *step_question_of(const struct task *t);

// Fills in what a failing handler answers with, tells the story, returns err.
err_t refuse(struct turn *t, uint16_t notify, err_t err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
