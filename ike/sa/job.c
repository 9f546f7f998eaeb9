#include "ike/sa/job.h"

#include <stdio.h>
#include <stdlib.h>

struct job {
    ike_done_fn *done;
    void *ctx;
    unsigned holds;
    err_t err;
    struct why why; // the sentence that will be told
};

struct job *job_new(ike_done_fn *done, void *ctx)
{
    if (!done) return NULL;
    struct job *job = calloc(1, sizeof *job);
    if (!job) {
        done(ctx, ERR_NOMEM, "out of memory");
        return NULL;
    }
    *job = (struct job){.done = done, .ctx = ctx, .holds = 1};
    return job;
}

void job_end(struct job *job, err_t err, const char *sentence)
{
    if (!job) return;
    bool worse = err != ERR_OK && job->err == ERR_OK;
    if (worse) job->err = err;
    if (sentence && (worse || job->err == ERR_OK)) {
        (void)snprintf(job->why.text, sizeof job->why.text, "%s", sentence);
    }
    if (--job->holds) return;
    job->done(job->ctx, job->err, job->why.text);
    free(job);
}

void waiter_add(struct waiter **list, struct job *job)
{
    if (!job) return;
    job->holds++;
    struct waiter *w = calloc(1, sizeof *w);
    if (!w) {
        job_end(job, ERR_NOMEM, "out of memory");
        return;
    }
    *w = (struct waiter){.next = *list, .job = job};
    *list = w;
}

void waiter_move(struct waiter **from, struct waiter **to)
{
    while (*to) to = &(*to)->next;
    *to = *from;
    *from = NULL;
}

void waiter_end(struct waiter **list, err_t err, const char *sentence)
{
    // A user's callback may look at the diplomat: the list is taken off before anybody hears.
    struct waiter *w = *list;
    *list = NULL;
    while (w) {
        struct waiter *next = w->next;
        job_end(w->job, err, sentence);
        free(w);
        w = next;
    }
}
