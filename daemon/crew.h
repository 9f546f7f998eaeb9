// crew.h - threads for what takes long: public-key operations and look-ups (ike/sa/work.h). The
// event loop gives works in and takes them out again; nothing of the protocol is touched here.
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct ike_work;
struct crew;

// Works that wait at most: a second's worth of signatures. More is ERR_LIMIT, and the peer repeats
// its message. Of one source there may be as many as there is room left for others, so that none
// takes it all; and sources take turns.
#define CREW_QUEUE_MAX 2048
// Threads that wait for a server at a time; further look-ups fail at once.
#define CREW_PAUSED_MAX 32
// ... where a stranger has said which server: the others stay for peers of known authorities.
#define CREW_PAUSED_STRANGERS 16

// threads: that work at a time; 0 = one for each processor, four at most. done(ctx) is called in
// one of the threads when there is something to take out. NULL: out of memory or threads.
struct crew *crew_new(unsigned threads, void (*done)(void *ctx), void *ctx);
// What waits is freed without having run; what is running is freed when it ends. false: something
// is running. NULL is fine.
bool crew_free(struct crew *p);

err_t crew_add(struct crew *p, struct ike_work *w); // takes w, for w->source, unless ERR_LIMIT
struct ike_work *crew_take(struct crew *p);         // one that has run; NULL if there is none

// In a work's own thread: it will wait for somebody else now, so another thread may work in its
// place. ERR_LIMIT: `max` do already (CREW_PAUSED_MAX at most). To be followed by crew_go_on().
err_t crew_pause(struct crew *p, unsigned max);
void crew_go_on(struct crew *p);
