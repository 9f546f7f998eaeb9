#include "ike/sa/window.h"

enum window_verdict window_request(const struct window *w, uint32_t id)
{
    // rfc7296 2.2 MUST: Message IDs never wrap; the last one is not used, by us or by the peer.
    if (id == w->recv && id != UINT32_MAX) return WINDOW_NEW;
    // rfc7296 2.1 MUST: the responder remembers each response until the next request shows that
    // it arrived.
    uint32_t behind = w->recv - id;
    bool remembered = id < w->recv && behind <= WINDOW_SIZE;
    return remembered ? WINDOW_AGAIN : WINDOW_OUTSIDE;
}

bool window_awaits(const struct window *w, uint32_t id)
{
    return id < w->send && w->send - id <= w->unanswered;
}

bool window_may_send(const struct window *w)
{
    // rfc7296 2.2 MUST: an IKE SA is closed or rekeyed before its Message IDs wrap.
    return w->unanswered < WINDOW_SIZE && w->send < UINT32_MAX;
}

err_t window_sent(struct window *w, span_t bytes)
{
    TRY(blob_set(&w->sent[w->send % WINDOW_SIZE], bytes));
    w->send++;
    w->unanswered++;
    return ERR_OK;
}

void window_answered(struct window *w, uint32_t id)
{
    blob_done(&w->sent[id % WINDOW_SIZE]);
    if (w->unanswered) w->unanswered--;
}

err_t window_reply(struct window *w, uint32_t id, span_t bytes)
{
    // First of all it is not handled again, even if there is no memory for the answer.
    if (id == w->recv) w->recv++;
    return blob_set(&w->answer[id % WINDOW_SIZE], bytes);
}

span_t window_last_request(const struct window *w)
{
    if (!w->unanswered) return span(NULL, 0);
    return blob_span(&w->sent[(w->send - 1) % WINDOW_SIZE]);
}

span_t window_reply_to(const struct window *w, uint32_t id)
{
    return blob_span(&w->answer[id % WINDOW_SIZE]);
}

void window_done(struct window *w)
{
    for (unsigned i = 0; i < WINDOW_SIZE; i++) {
        blob_done(&w->sent[i]);
        blob_done(&w->answer[i]);
    }
    *w = (struct window){0};
}
