// Threads that work for the loop: everything that goes in comes out, bounds hold, and one who waits
// for a server keeps nobody else from working.
#include "daemon/crew.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "ike/sa/work.h"
#include "test/check.h"

struct job {
    struct ike_work w;
    struct crew *crew;
    sem_t *wait; // NULL: does not
    unsigned test;
    bool pause;
    unsigned pauses_max;
    err_t paused;
    unsigned place; // in the order of running
};

// Each test counts for itself: threads of the one before may still be leaving.
#define TESTS_MAX 8
static atomic_uint began[TESTS_MAX], ran[TESTS_MAX], freed[TESTS_MAX];
static unsigned now;

static void run(struct ike_work *w)
{
    struct job *j = (struct job *)w;
    if (j->pause) j->paused = crew_pause(j->crew, j->pauses_max);
    (void)atomic_fetch_add(&began[j->test], 1);
    if (j->wait) (void)sem_wait(j->wait);
    if (j->pause && j->paused == ERR_OK) crew_go_on(j->crew);
    j->place = atomic_fetch_add(&ran[j->test], 1);
}

static void job_free(struct ike_work *w)
{
    (void)atomic_fetch_add(&freed[((struct job *)w)->test], 1);
    free(w);
}

static struct job *job_new(struct crew *p, sem_t *wait, bool pause)
{
    struct job *j = calloc(1, sizeof *j);
    *j = (struct job){.w = {.run = run, .free = job_free},
                      .crew = p,
                      .wait = wait,
                      .pause = pause,
                      .pauses_max = CREW_PAUSED_MAX,
                      .test = now};
    return j;
}

static void done(void *ctx)
{
    (void)sem_post(ctx);
}

// Waits for `n` to have come, ten seconds at most.
static bool come(atomic_uint *count, unsigned n)
{
    for (unsigned i = 0; i < 10000 && atomic_load(count) < n; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return atomic_load(count) == n;
}

static bool all_ran(unsigned n)
{
    return come(&ran[now], n);
}

static void begin(void)
{
    now++;
}

static void what_goes_in_comes_out(void **state)
{
    sem_t told;
    struct ike_work *w;
    unsigned n = 0;
    (void)state;
    begin();
    CHECK_EQ(sem_init(&told, 0, 0), 0);
    struct crew *p = crew_new(2, done, &told);
    CHECK(crew_take(p) == NULL);
    for (unsigned i = 0; i < 100; i++) CHECK_OK(crew_add(p, &job_new(p, NULL, false)->w));
    CHECK(all_ran(100));
    for (unsigned i = 0; i < 100; i++) CHECK_EQ(sem_wait(&told), 0);
    for (; (w = crew_take(p)); n++) w->free(w);
    CHECK_EQ(n, 100);
    CHECK_EQ(atomic_load(&freed[now]), 100);
    (void)crew_free(p);
}

// Adds works of a source until one is refused, `max` at most; how many were taken.
static unsigned fill(struct crew *p, uint32_t source, sem_t *gate, unsigned max)
{
    for (unsigned n = 0; n < max; n++) {
        struct job *j = job_new(p, gate, false);
        j->w.source = source;
        err_t e = crew_add(p, &j->w);
        if (e == ERR_OK) continue;
        CHECK_EQ(e, ERR_LIMIT);
        free(j);
        return n;
    }
    return max;
}

// One source gets half of the room, the next half of what is left, and so on: somebody new always
// finds some.
static void too_many_are_refused(void **state)
{
    sem_t told, gate;
    (void)state;
    begin();
    CHECK_EQ(sem_init(&told, 0, 0), 0);
    CHECK_EQ(sem_init(&gate, 0, 0), 0);
    struct crew *p = crew_new(1, done, &told);
    unsigned first = fill(p, 1, &gate, 2 * CREW_QUEUE_MAX);
    CHECK(first >= CREW_QUEUE_MAX / 2 && first <= CREW_QUEUE_MAX / 2 + 1); // one may be running
    unsigned second = fill(p, 2, &gate, 2 * CREW_QUEUE_MAX);
    CHECK(second >= CREW_QUEUE_MAX / 4 - 1 && second <= CREW_QUEUE_MAX / 4 + 1);
    unsigned in = first + second;
    for (uint32_t i = 3; i < 200; i++) in += fill(p, i, &gate, 1);
    CHECK(in >= first + second + 197);
    CHECK(in <= CREW_QUEUE_MAX + 1);
    for (unsigned i = 0; i < in; i++) (void)sem_post(&gate);
    CHECK(all_ran(in));
    (void)crew_free(p);
}

// Behind hundreds of works of one source another one's is the next but one.
static void sources_take_turns(void **state)
{
    sem_t told, gate;
    struct ike_work *w;
    unsigned seen = 0;
    (void)state;
    begin();
    CHECK_EQ(sem_init(&told, 0, 0), 0);
    CHECK_EQ(sem_init(&gate, 0, 0), 0);
    struct crew *p = crew_new(1, done, &told);
    CHECK_EQ(fill(p, 1, &gate, 500), 500);
    CHECK_EQ(fill(p, 2, &gate, 2), 2);
    for (unsigned i = 0; i < 502; i++) (void)sem_post(&gate);
    CHECK(all_ran(502));
    for (unsigned i = 0; i < 502; i++) CHECK_EQ(sem_wait(&told), 0);
    while ((w = crew_take(p))) {
        const struct job *j = (const struct job *)w;
        if (w->source == 2) CHECK(j->place <= 5);
        seen += w->source == 2;
        w->free(w);
    }
    CHECK_EQ(seen, 2);
    (void)crew_free(p);
}

// Strangers who send us to slow servers leave room for those whom a known authority vouches for.
static void strangers_do_not_wait_for_all(void **state)
{
    sem_t told, gate;
    (void)state;
    begin();
    CHECK_EQ(sem_init(&told, 0, 0), 0);
    CHECK_EQ(sem_init(&gate, 0, 0), 0);
    struct crew *p = crew_new(1, done, &told);
    for (unsigned i = 0; i < CREW_PAUSED_STRANGERS + 1; i++) {
        struct job *j = job_new(p, &gate, true);
        j->pauses_max = CREW_PAUSED_STRANGERS;
        CHECK_OK(crew_add(p, &j->w));
    }
    CHECK_OK(crew_add(p, &job_new(p, &gate, true)->w));
    CHECK(come(&began[now], CREW_PAUSED_STRANGERS + 1));
    for (unsigned i = 0; i < CREW_PAUSED_STRANGERS + 2; i++) (void)sem_post(&gate);
    CHECK(all_ran(CREW_PAUSED_STRANGERS + 2));
    unsigned refused = 0;
    for (unsigned i = 0; i < CREW_PAUSED_STRANGERS + 2; i++) CHECK_EQ(sem_wait(&told), 0);
    for (struct ike_work *w; (w = crew_take(p)); w->free(w)) {
        refused += ((struct job *)w)->paused == ERR_LIMIT;
    }
    CHECK_EQ(refused, 1);
    (void)crew_free(p);
}

// As many as may wait do; the one thread's place is taken each time, and the last work is done.
static void who_waits_stalls_nobody(void **state)
{
    sem_t told, gate;
    (void)state;
    begin();
    CHECK_EQ(sem_init(&told, 0, 0), 0);
    CHECK_EQ(sem_init(&gate, 0, 0), 0);
    struct crew *p = crew_new(1, done, &told);
    for (unsigned i = 0; i < CREW_PAUSED_MAX; i++) {
        CHECK_OK(crew_add(p, &job_new(p, &gate, true)->w));
    }
    CHECK_OK(crew_add(p, &job_new(p, NULL, false)->w));
    CHECK(all_ran(1));
    // One more may not wait: it is told so, and goes on at once.
    CHECK_OK(crew_add(p, &job_new(p, NULL, true)->w));
    CHECK(all_ran(2));
    struct job *first = (struct job *)crew_take(p), *second = (struct job *)crew_take(p);
    CHECK(first && second && !first->pause && second->paused == ERR_LIMIT);
    free(first);
    free(second);
    for (unsigned i = 0; i < CREW_PAUSED_MAX; i++) (void)sem_post(&gate);
    CHECK(all_ran(CREW_PAUSED_MAX + 2));
    (void)crew_free(p);
}

static void freed_with_work_left(void **state)
{
    static sem_t told, gate;
    (void)state;
    begin();
    CHECK_EQ(sem_init(&told, 0, 0), 0);
    CHECK_EQ(sem_init(&gate, 0, 0), 0);
    struct crew *p = crew_new(1, done, &told);
    for (unsigned i = 0; i < 10; i++) CHECK_OK(crew_add(p, &job_new(p, &gate, false)->w));
    (void)crew_free(p);
    (void)sem_post(&gate); // for the one that may be running
    for (unsigned i = 0; i < 5000 && atomic_load(&freed[now]) < 10; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    CHECK_EQ(atomic_load(&freed[now]), 10);
    CHECK(atomic_load(&ran[now]) <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),  cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(sources_take_turns),      cmocka_unit_test(strangers_do_not_wait_for_all),
        cmocka_unit_test(who_waits_stalls_nobody), cmocka_unit_test(freed_with_work_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
