#include "xfrm/db/replay.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "xfrm/db/counter.h"

#define WORD_BITS 64

// ---- the ring ----

err_t replay_init(struct replay *w, uint32_t size)
{
    uint32_t words = REPLAY_WORDS_SMALL;
    while (words < size / WORD_BITS + 2) words *= 2;
    *w = (struct replay){.size = size, .mask = words - 1};
    if (words == REPLAY_WORDS_SMALL) return ERR_OK;
    w->large = calloc(words, sizeof *w->large);
    return w->large ? ERR_OK : ERR_NOMEM;
}

void replay_done(struct replay *w)
{
    free(w->large);
    w->large = NULL;
}

static uint64_t *word_of(struct replay *w, uint64_t number)
{
    return (w->large ? w->large : w->small) + (number & w->mask);
}

static bool seen_get(const struct replay *w, uint64_t seq)
{
    const uint64_t *ring = w->large ? w->large : w->small;
    return count_get(&ring[seq / WORD_BITS & w->mask]) >> (seq % WORD_BITS) & 1;
}

static void seen_set(struct replay *w, uint64_t seq)
{
    uint64_t *word = word_of(w, seq / WORD_BITS);
    count_set(word, *word | 1ULL << (seq % WORD_BITS));
}

// Forgets the words that lie between the old top and the new one, the new one's included. The ring
// has a word more than the window, so no number that is still judged is lost.
static void seen_advance(struct replay *w, uint64_t top)
{
    uint64_t from = w->top / WORD_BITS, to = top / WORD_BITS;
    if (to - from > w->mask) from = to - w->mask - 1;
    while (from < to) count_set(word_of(w, ++from), 0);
    count_set(&w->top, top);
}

// ---- the window ----

uint64_t replay_guess_esn(const struct replay *w, uint32_t low)
{
    uint32_t top_low = (uint32_t)w->top;
    uint64_t epoch = w->top >> 32;
    uint32_t bottom = top_low - w->size + 1; // modulo 2^32

    // rfc4303 A2.2: the window lies in one epoch, or its lower end is in the epoch before
    if (top_low >= w->size - 1) {
        epoch += low < bottom;
    } else if (low >= bottom && epoch > 0) {
        epoch--;
    }
    return epoch << 32 | low;
}

err_t replay_check(const struct replay *w, uint64_t seq)
{
    if (w->size == 0) return ERR_OK;
    if (seq == 0) return ERR_REPLAY; // rfc4303 3.3.3: the first packet of an SA has number 1
    if (seq > w->top) return ERR_OK;
    if (w->top - seq >= w->size) return ERR_REPLAY;
    return seen_get(w, seq) ? ERR_REPLAY : ERR_OK;
}

void replay_commit(struct replay *w, uint64_t seq)
{
    if (w->size == 0) return;
    if (seq > w->top) seen_advance(w, seq);
    seen_set(w, seq);
}

// ---- as the kernel lays it out ----

// Bit of the number `back` below the top in the kernel's ring. Counted from the low half of the
// top, as the kernel does, which matters when the window does not divide 2^32.
static uint32_t ring_bit(uint64_t top, uint32_t back, uint32_t window)
{
    uint32_t at_top = ((uint32_t)top - 1) % window;
    return (at_top + window - back) % window;
}

// How many numbers from the top downwards the foreign bitmap can tell about.
static uint32_t judged(const struct xfrm_replay *r, uint64_t top)
{
    uint32_t window = !r->esn_given && r->window > 32 ? 32 : r->window;
    return top < window ? (uint32_t)top : window;
}

static uint32_t foreign_bit(const struct xfrm_replay *r, uint64_t top, uint32_t back)
{
    return r->esn_given ? ring_bit(top, back, r->window) : back;
}

void replay_import(struct replay *w, const struct xfrm_replay *r)
{
    memset(w->large ? w->large : w->small, 0, (w->mask + 1) * sizeof(uint64_t));
    w->top = r->in_seq;
    for (uint32_t back = 0; back < judged(r, w->top); back++) {
        uint32_t bit = foreign_bit(r, w->top, back);
        if (r->bitmap[bit / 32] >> bit % 32 & 1) seen_set(w, w->top - back);
    }
}

void replay_export(const struct replay *w, struct xfrm_replay *r)
{
    uint64_t top = count_get(&w->top);
    r->window = w->size;
    r->in_seq = top;
    memset(r->bitmap, 0, sizeof r->bitmap);
    for (uint32_t back = 0; back < judged(r, top); back++) {
        if (!seen_get(w, top - back)) continue;
        uint32_t bit = foreign_bit(r, top, back);
        r->bitmap[bit / 32] |= 1U << bit % 32;
    }
}
