#include "daemon/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define THREADS 4                       // look-ups at a time: a dead server blocks one for long
#define NAMES_MAX 4096                  // kept at most; a configuration has far fewer
#define BUCKETS 256                     // of the hash table
#define FRESH_NS (60 * NSEC_PER_SEC)    // a good answer; then it is asked for anew but still used
#define FRESH_BAD_NS (5 * NSEC_PER_SEC) // "no such name": may be a resolver that is not up yet

enum entry_state { ENTRY_EMPTY, ENTRY_QUEUED, ENTRY_RUNNING };

struct entry {
    struct entry *next;   // in its bucket
    struct entry *queued; // behind it
    char *name;
    uint16_t family;
    enum entry_state state;
    bool answered; // ip is an answer: AF_UNSPEC = there is none
    ip_t ip;
    uint64_t until; // monotonic ns of the answer's end
};

// Shared with the threads; the last one out frees it.
struct resolver {
    pthread_mutex_t lock;
    pthread_cond_t work;
    void (*done)(void *ctx);
    void *ctx;
    struct entry *bucket[BUCKETS];
    struct entry *first, *last; // queue
    unsigned names, pending, users;
    bool stop;
};

static unsigned bucket_of(const char *name, uint16_t family)
{
    uint32_t h = 2166136261U ^ family; // FNV-1a: the names are the administrator's own
    for (; *name; name++) h = (h ^ (uint8_t)*name) * 16777619U;
    return h % BUCKETS;
}

// Drops one user; frees everything with the last. The lock is held and given back.
static void leave(struct resolver *r)
{
    bool last = --r->users == 0;
    (void)pthread_mutex_unlock(&r->lock);
    if (!last) return;
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct entry *e = r->bucket[i], *next; e; e = next) {
            next = e->next;
            free(e->name);
            free(e);
        }
    }
    (void)pthread_cond_destroy(&r->work);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

// ---- threads ----

static ip_t look_up(const char *name, uint16_t family)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    endpoint_t e = {0};
    if (getaddrinfo(name, NULL, &hints, &found) != 0) return e.ip;
    for (const struct addrinfo *a = found; a; a = a->ai_next) {
        if (endpoint_from_sockaddr(a->ai_addr, a->ai_addrlen, &e) == ERR_OK) break;
        e = (endpoint_t){0};
    }
    freeaddrinfo(found);
    return e.ip;
}

// Takes the first of the queue, looks it up with the lock released, notes the answer.
static void serve_one(struct resolver *r)
{
    struct entry *e = r->first;
    r->first = e->queued;
    if (!r->first) r->last = NULL;
    e->state = ENTRY_RUNNING;
    (void)pthread_mutex_unlock(&r->lock);
    ip_t ip = look_up(e->name, e->family);
    (void)pthread_mutex_lock(&r->lock);
    // A failure does not take away what was known: yesterday's address beats none.
    bool good = ip.family != AF_UNSPEC;
    if (good || !e->answered) e->ip = ip;
    e->answered = true;
    e->until = clock_mono() + (good ? FRESH_NS : FRESH_BAD_NS);
    e->state = ENTRY_EMPTY;
    r->pending--;
    if (!r->stop) r->done(r->ctx);
}

static void *serve(void *ctx)
{
    struct resolver *r = ctx;
    (void)pthread_mutex_lock(&r->lock);
    while (!r->stop) {
        if (r->first) {
            serve_one(r);
        } else {
            (void)pthread_cond_wait(&r->work, &r->lock);
        }
    }
    leave(r);
    return NULL;
}

static bool start_threads(struct resolver *r)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    // Signals belong to the event loop's thread.
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = true;
    for (int i = 0; i < THREADS && ok; i++) {
        pthread_t thread;
        (void)pthread_mutex_lock(&r->lock);
        ok = pthread_create(&thread, NULL, serve, r) == 0;
        if (ok) r->users++;
        (void)pthread_mutex_unlock(&r->lock);
        if (ok) (void)pthread_detach(thread);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

// ---- the loop's side ----

struct resolver *resolver_new(void (*done)(void *ctx), void *ctx)
{
    struct resolver *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->done = done;
    r->ctx = ctx;
    r->users = 1;
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->work, NULL);
    if (start_threads(r)) return r;
    resolver_free(r);
    return NULL;
}

void resolver_free(struct resolver *r)
{
    if (!r) return;
    (void)pthread_mutex_lock(&r->lock);
    r->stop = true;
    (void)pthread_cond_broadcast(&r->work);
    leave(r);
}

static err_t entry_of(struct resolver *r, const char *name, uint16_t family, struct entry **out)
{
    unsigned b = bucket_of(name, family);
    for (struct entry *e = r->bucket[b]; e; e = e->next) {
        if (e->family != family || strcmp(e->name, name) != 0) continue;
        *out = e;
        return ERR_OK;
    }
    if (r->names == NAMES_MAX) return ERR_LIMIT;
    struct entry *e = calloc(1, sizeof *e);
    char *copy = strdup(name);
    if (!e || !copy) {
        free(e);
        free(copy);
        return ERR_NOMEM;
    }
    e->name = copy;
    e->family = family;
    e->next = r->bucket[b];
    r->bucket[b] = e;
    r->names++;
    *out = e;
    return ERR_OK;
}

static void enqueue(struct resolver *r, struct entry *e)
{
    if (e->state != ENTRY_EMPTY || (e->answered && clock_mono() < e->until)) return;
    e->state = ENTRY_QUEUED;
    e->queued = NULL;
    if (r->last) {
        r->last->queued = e;
    } else {
        r->first = e;
    }
    r->last = e;
    r->pending++;
    (void)pthread_cond_signal(&r->work);
}

err_t resolver_find(struct resolver *r, const char *name, uint16_t family, ip_t *out)
{
    struct entry *e;
    (void)pthread_mutex_lock(&r->lock);
    err_t result = entry_of(r, name, family, &e);
    if (result == ERR_OK) {
        enqueue(r, e);
        if (!e->answered) {
            result = ERR_AGAIN;
        } else if (e->ip.family == AF_UNSPEC) {
            result = ERR_NOTFOUND;
        } else {
            *out = e->ip;
        }
    }
    (void)pthread_mutex_unlock(&r->lock);
    return result;
}

bool resolver_busy(struct resolver *r)
{
    (void)pthread_mutex_lock(&r->lock);
    bool busy = r->pending > 0;
    (void)pthread_mutex_unlock(&r->lock);
    return busy;
}
