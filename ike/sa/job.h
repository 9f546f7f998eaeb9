// job.h - one command of a user, and whom to tell how it ended. A command may concern several SAs:
// it is over when the last of them is.
#pragma once

#include "ike/ike.h"

struct job;

// One hold is the caller's own: end it with job_end(). NULL when out of memory (done was told so)
// or when nobody wants to know; a NULL job is fine everywhere.
struct job *job_new(ike_done_fn *done, void *ctx);
// Ends one hold. The first error wins; the last hold tells the user and frees the job.
void job_end(struct job *job, err_t err, const char *sentence);

// The jobs that wait for one thing.
struct waiter {
    struct waiter *next;
    struct job *job;
};
// Takes a hold of its own. Out of memory: the job hears ERR_NOMEM at once.
void waiter_add(struct waiter **list, struct job *job);
void waiter_move(struct waiter **from, struct waiter **to);
// Ends all of them; the list is empty afterwards.
void waiter_end(struct waiter **list, err_t err, const char *sentence);
