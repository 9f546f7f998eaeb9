#include "cred/dnssec.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unbound.h>

#define LABEL_MAX 63
#define CLASS_IN 1
#define RCODE_SERVFAIL 2

struct dnssec {
    pthread_mutex_t lock; // of all below, and of the questions
    pthread_cond_t news;
    char *resolv_conf, *anchors;
    struct ub_ctx *ub;    // NULL: nobody has asked yet
    struct timespec read; // when resolv_conf had changed last, then
    unsigned asking;      // threads
    bool reading;         // one of them waits for libunbound, the others for it
    bool broken;          // it did not start: once more with the next question
};

// Held by who asks and by the callback.
struct question {
    struct dnssec *d;
    unsigned holders;
    bool answered;
    int error;
    struct ub_result *result;
};

void dnssec_answer_done(struct dnssec_answer *a)
{
    for (unsigned i = 0; i < a->n; i++) free(a->rr[i].at);
    *a = (struct dnssec_answer){0};
}

// ---- names -------------------------------------------------------------------------------------

static bool is_of_host(char c)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool dnssec_can_ask(const char *name)
{
    size_t label = 0;
    if (strlen(name) > DNSSEC_NAME_MAX) return false;
    for (; *name; name++) {
        if (*name == '.' && label == 0) return false;
        if (*name != '.' && !is_of_host(*name)) return false;
        label = *name == '.' ? 0 : label + 1;
        if (label > LABEL_MAX) return false;
    }
    return label > 0;
}

// ---- the resolver ------------------------------------------------------------------------------

err_t dnssec_new(const char *resolv_conf, const char *anchors, struct dnssec **out)
{
    struct dnssec *d = calloc(1, sizeof *d);
    pthread_condattr_t monotonic;
    if (!d) return ERR_NOMEM;
    d->resolv_conf = strdup(resolv_conf);
    d->anchors = strdup(anchors);
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&d->news, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    *out = d;
    if (d->resolv_conf && d->anchors) return ERR_OK;
    dnssec_free(d);
    return ERR_NOMEM;
}

void dnssec_free(struct dnssec *d)
{
    if (!d) return;
    if (d->ub) ub_ctx_delete(d->ub);
    (void)pthread_cond_destroy(&d->news);
    (void)pthread_mutex_destroy(&d->lock);
    free(d->resolv_conf);
    free(d->anchors);
    free(d);
}

static struct timespec changed_at(const char *path)
{
    struct stat st = {0};
    return stat(path, &st) == 0 ? st.st_mtim : (struct timespec){0};
}

static bool is_stale(const struct dnssec *d)
{
    struct timespec now = changed_at(d->resolv_conf);
    return d->broken || now.tv_sec != d->read.tv_sec || now.tv_nsec != d->read.tv_nsec;
}

static err_t configure(struct dnssec *d, struct why *why)
{
    int e = ub_ctx_debugout(d->ub, NULL);   // it would write to stderr
    if (e == 0) e = ub_ctx_async(d->ub, 1); // a thread and no process, for the sandbox's sake
    if (e == 0 && (e = ub_ctx_resolvconf(d->ub, d->resolv_conf)) != 0)
        return why_not(why, ERR_SYSTEM, "name servers cannot be read from %.80s: %s",
                       d->resolv_conf, ub_strerror(e));
    // rfc8145 5: whoever serves the root need not know which keys we believe.
    if (e == 0) e = ub_ctx_set_option(d->ub, "trust-anchor-signaling:", "no");
    if (e == 0) e = ub_ctx_add_ta_file(d->ub, d->anchors);
    return e == 0 ? ERR_OK
                  : why_not(why, ERR_SYSTEM, "the resolver does not start: %s", ub_strerror(e));
}

// The lock is held. A new list of name servers waits until nobody asks the old ones.
static err_t ensure(struct dnssec *d, struct why *why)
{
    if (d->ub && (d->asking || !is_stale(d))) return ERR_OK;
    if (d->ub) ub_ctx_delete(d->ub);
    d->broken = false;
    d->read = changed_at(d->resolv_conf);
    d->ub = ub_ctx_create();
    if (!d->ub) return ERR_NOMEM;
    err_t err = configure(d, why);
    if (err == ERR_OK) return ERR_OK;
    ub_ctx_delete(d->ub);
    d->ub = NULL;
    return err;
}

// ---- a question --------------------------------------------------------------------------------

// The lock is held.
static void drop(struct question *q)
{
    if (--q->holders) return;
    if (q->result) ub_resolve_free(q->result);
    free(q);
}

static void on_answer(void *ctx, int error, struct ub_result *result)
{
    struct question *q = ctx;
    struct dnssec *d = q->d;
    (void)pthread_mutex_lock(&d->lock);
    q->answered = true;
    q->error = error;
    q->result = result;
    (void)pthread_cond_broadcast(&d->news);
    drop(q);
    (void)pthread_mutex_unlock(&d->lock);
}

static int ms_left(const struct timespec *until)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ms = (until->tv_sec - now.tv_sec) * 1000 + (until->tv_nsec - now.tv_nsec) / 1000000;
    return ms < 0 ? 0 : (int)ms;
}

// The lock is held before and after.
static void read_answers(struct dnssec *d, int wait_ms)
{
    struct pollfd fd = {.fd = ub_fd(d->ub), .events = POLLIN};
    struct ub_ctx *ub = d->ub;
    d->reading = true;
    (void)pthread_mutex_unlock(&d->lock);
    if (poll(&fd, 1, wait_ms) > 0) (void)ub_process(ub); // calls on_answer()
    (void)pthread_mutex_lock(&d->lock);
    d->reading = false;
    (void)pthread_cond_broadcast(&d->news); // somebody else reads on
}

// The lock is held.
static err_t await(struct dnssec *d, struct question *q, int id, struct why *why)
{
    struct timespec until;
    int left;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += DNSSEC_TIMEOUT_MS / 1000;
    while (!q->answered && (left = ms_left(&until)) > 0) {
        if (d->reading)
            (void)pthread_cond_timedwait(&d->news, &d->lock, &until);
        else
            read_answers(d, left);
    }
    if (q->answered) return ERR_OK;
    // If it cannot be taken back, it is being answered at this moment.
    if (ub_cancel(d->ub, id) == 0) drop(q);
    return why_not(why, ERR_TIMEOUT, "no name server has answered in %u seconds",
                   DNSSEC_TIMEOUT_MS / 1000U);
}

static err_t take(const struct ub_result *r, struct dnssec_answer *out)
{
    for (unsigned i = 0; r->data[i] && out->n < DNSSEC_RRS_MAX; i++) {
        if (r->len[i] <= 0 || r->len[i] > DNSSEC_RR_LEN_MAX) continue;
        size_t len = (size_t)r->len[i];
        uint8_t *at = malloc(len);
        if (!at) return ERR_NOMEM;
        memcpy(at, r->data[i], len);
        out->rr[out->n].at = at;
        out->rr[out->n++].len = len;
    }
    return out->n ? ERR_OK : ERR_NOTFOUND;
}

static err_t judge(const struct question *q, struct dnssec_answer *out, struct why *why)
{
    const struct ub_result *r = q->result;
    if (q->error || !r)
        return why_not(why, ERR_SYSTEM, "the resolver failed: %s", ub_strerror(q->error));
    if (r->bogus)
        return why_not(why, ERR_AUTH, "the answer is bogus: %.150s",
                       r->why_bogus ? r->why_bogus : "DNSSEC does not prove it");
    if (!r->havedata && r->rcode == RCODE_SERVFAIL)
        return why_not(why, ERR_NOTFOUND, "the name server has failed");
    if (!r->havedata) return why_not(why, ERR_NOTFOUND, "there are none");
    if (!r->secure) {
        return why_not(why, ERR_AUTH,
                       "the answer is not secure: no signatures lead to it from a trust anchor");
    }
    return take(r, out);
}

// The lock is held.
static err_t ask(struct dnssec *d, struct question *q, const char *name, uint16_t type,
                 struct dnssec_answer *out, struct why *why)
{
    int id = 0;
    q->holders++; // before the callback may come
    (void)pthread_mutex_unlock(&d->lock);
    int e = ub_resolve_async(d->ub, name, type, CLASS_IN, q, on_answer, &id);
    (void)pthread_mutex_lock(&d->lock);
    if (e) {
        drop(q);
        d->broken = true;
        return why_not(why, ERR_SYSTEM, "the resolver does not start with the anchors in %.80s: %s",
                       d->anchors, ub_strerror(e));
    }
    TRY(await(d, q, id, why));
    return judge(q, out, why);
}

err_t dnssec_ask(void *ctx, const char *name, uint16_t type, struct dnssec_answer *out,
                 struct why *why)
{
    struct dnssec *d = ctx;
    *out = (struct dnssec_answer){0};
    struct question *q = calloc(1, sizeof *q);
    if (!q) return ERR_NOMEM;
    *q = (struct question){.d = d, .holders = 1};
    (void)pthread_mutex_lock(&d->lock);
    err_t err = ensure(d, why);
    if (err == ERR_OK) {
        d->asking++;
        err = ask(d, q, name, type, out, why);
        d->asking--;
    }
    drop(q);
    (void)pthread_mutex_unlock(&d->lock);
    if (err != ERR_OK) dnssec_answer_done(out);
    return err;
}
