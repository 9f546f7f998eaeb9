#include "daemon/crew.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "ike/sa/work.h"

#define THREADS_MAX 4 // more than that is more public-key work than one protocol thread asks for
#define STACK_SIZE (512UL * 1024UL)
#define SOURCES 256 // places to count by source; two that meet in one are taken for one

// Start-time fair queueing: a work's turn is the latest one taken, or behind its source's last.
struct source {
    uint64_t next; // turn
    unsigned waiting;
};

struct list {
    struct ike_work *first, *last;
};

// Shared with the threads; the last one out frees it.
struct crew {
    pthread_mutex_t lock;
    pthread_cond_t work;
    void (*done)(void *ctx);
    void *ctx;
    struct list waiting, finished;
    unsigned wait_n, threads; // threads: that may work at a time
    unsigned users;           // threads, and the loop
    unsigned idle, paused;    // threads
    unsigned running;         // works
    uint64_t turn;            // of the work taken last
    struct source source[SOURCES];
    bool stop;
};

static void list_add(struct list *l, struct ike_work *w)
{
    w->next = NULL;
    if (l->last) {
        l->last->next = w;
    } else {
        l->first = w;
    }
    l->last = w;
}

// Behind all whose turn is not later. Mostly that is the end.
static void list_insert(struct list *l, struct ike_work *w)
{
    struct ike_work **at = &l->first;
    if (!l->last || l->last->turn <= w->turn) {
        list_add(l, w);
        return;
    }
    while ((*at)->turn <= w->turn) at = &(*at)->next;
    w->next = *at;
    *at = w;
}

static struct ike_work *list_take(struct list *l)
{
    struct ike_work *w = l->first;
    if (!w) return NULL;
    l->first = w->next;
    if (!l->first) l->last = NULL;
    return w;
}

static void list_free(struct list *l)
{
    for (struct ike_work *w; (w = list_take(l));) w->free(w);
}

// Drops one user; frees everything with the last. The lock is held and given back.
static void leave(struct crew *p)
{
    bool last = --p->users == 0;
    (void)pthread_mutex_unlock(&p->lock);
    if (!last) return;
    list_free(&p->waiting);
    list_free(&p->finished);
    (void)pthread_cond_destroy(&p->work);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

// Who comes back from a pause may find that another one works in his place.
static bool one_too_many(const struct crew *p)
{
    return p->users - 1 - p->paused > p->threads;
}

static struct source *source_of(struct crew *p, const struct ike_work *w)
{
    return &p->source[w->source % SOURCES];
}

static struct ike_work *next_work(struct crew *p)
{
    struct ike_work *w = list_take(&p->waiting);
    if (!w) return NULL;
    p->wait_n--;
    p->turn = w->turn;
    source_of(p, w)->waiting--;
    return w;
}

static void *serve(void *ctx)
{
    struct crew *p = ctx;
    (void)pthread_mutex_lock(&p->lock);
    while (!p->stop && !one_too_many(p)) {
        struct ike_work *w = next_work(p);
        if (!w) {
            p->idle++;
            (void)pthread_cond_wait(&p->work, &p->lock);
            p->idle--;
            continue;
        }
        p->running++;
        (void)pthread_mutex_unlock(&p->lock);
        w->run(w);
        (void)pthread_mutex_lock(&p->lock);
        p->running--;
        list_add(&p->finished, w);
        if (!p->stop) p->done(p->ctx);
    }
    leave(p);
    return NULL;
}

// The lock is held. Signals belong to the event loop's thread.
static bool start_thread(struct crew *p)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    if (pthread_attr_init(&attr) != 0) return false;
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attr, STACK_SIZE);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&thread, &attr, serve, p) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    p->users += ok;
    return ok;
}

static unsigned processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    if (n < 1) return 1;
    return n > THREADS_MAX ? THREADS_MAX : (unsigned)n;
}

struct crew *crew_new(unsigned threads, void (*done)(void *ctx), void *ctx)
{
    struct crew *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->done = done;
    p->ctx = ctx;
    p->users = 1;
    p->threads = threads ? threads : processors();
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->work, NULL);
    return p;
}

bool crew_free(struct crew *p)
{
    if (!p) return true;
    (void)pthread_mutex_lock(&p->lock);
    bool quiet = p->running == 0;
    p->stop = true;
    (void)pthread_cond_broadcast(&p->work);
    leave(p);
    return quiet;
}

// The lock is held. Threads come with the work: who authenticates by pre-shared keys has none.
static bool ensure_thread(struct crew *p)
{
    unsigned working = p->users - 1 - p->paused;
    if (p->idle > p->wait_n || working >= p->threads) return true;
    return start_thread(p) || working > 0;
}

static void queue(struct crew *p, struct source *s, struct ike_work *w)
{
    w->turn = s->next > p->turn ? s->next : p->turn;
    s->next = w->turn + 1;
    s->waiting++;
    p->wait_n++;
    list_insert(&p->waiting, w);
}

err_t crew_add(struct crew *p, struct ike_work *w)
{
    (void)pthread_mutex_lock(&p->lock);
    struct source *s = source_of(p, w);
    bool room = s->waiting < CREW_QUEUE_MAX - p->wait_n;
    err_t err = room && ensure_thread(p) ? ERR_OK : ERR_LIMIT;
    if (err == ERR_OK) {
        queue(p, s, w);
        (void)pthread_cond_signal(&p->work);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return err;
}

struct ike_work *crew_take(struct crew *p)
{
    (void)pthread_mutex_lock(&p->lock);
    struct ike_work *w = list_take(&p->finished);
    (void)pthread_mutex_unlock(&p->lock);
    return w;
}

err_t crew_pause(struct crew *p, unsigned max)
{
    (void)pthread_mutex_lock(&p->lock);
    err_t err = p->paused < max && !p->stop ? ERR_OK : ERR_LIMIT;
    if (err == ERR_OK) {
        p->paused++;
        if (p->waiting.first) (void)ensure_thread(p);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return err;
}

void crew_go_on(struct crew *p)
{
    (void)pthread_mutex_lock(&p->lock);
    p->paused--;
    (void)pthread_mutex_unlock(&p->lock);
}
