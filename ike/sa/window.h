// window.h - Message IDs (RFC 7296 2.2) and the windows of both directions (2.3).
#pragma once

#include <stdbool.h>

#include "ike/sa/blob.h"

// Requests under way in each direction. We never announce more with SET_WINDOW_SIZE, so a peer
// keeps to one as well; nothing below depends on the number.
#define WINDOW_SIZE 1

struct window {
    uint32_t send;                   // ID of our next request
    uint32_t unanswered;             // requests of ours that wait for a response
    uint32_t recv;                   // ID of the next request of the peer
    struct blob sent[WINDOW_SIZE];   // our requests, to be repeated; slot = ID % WINDOW_SIZE
    struct blob answer[WINDOW_SIZE]; // our last responses, to be repeated
};

enum window_verdict {
    WINDOW_NEW,     // handle it
    WINDOW_AGAIN,   // a retransmission: repeat the answer
    WINDOW_OUTSIDE, // too old or too new: drop
};
enum window_verdict window_request(const struct window *w, uint32_t id);
// Is a response with this ID awaited?
bool window_awaits(const struct window *w, uint32_t id);
bool window_may_send(const struct window *w); // room for another request of ours, and IDs left

// Remembers a request under its ID w->send, which is used up. ERR_NOMEM: nothing has changed.
err_t window_sent(struct window *w, span_t bytes);
void window_answered(struct window *w, uint32_t id); // its response was accepted
// Remembers the response to request id, and expects the next one.
err_t window_reply(struct window *w, uint32_t id, span_t bytes);
span_t window_last_request(const struct window *w); // to be sent again; empty if there is none
span_t window_reply_to(const struct window *w, uint32_t id);
void window_done(struct window *w);
