#include "eap/sim_store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "eap/sim_triplets.h"

#define NUMBERS 0   // a "method": sequence numbers, which AKA and AKA' share
#define AHEAD_S 180 // network: clocks may differ by so much before a USIM complains, as strongSwan

struct entry {
    bool server;
    uint8_t type;
    struct sim_name who;
    struct sim_memory memory;
    uint64_t number;
    uint64_t used; // turn
};

struct simcards {
    atomic_uint refs; // beside the first
    pthread_mutex_t lock;
    struct sim_triplets *triplets; // NULL: none
    struct entry **entries;
    unsigned n;
    uint64_t turn, last_number, first_number;
};

struct sim_settings sim_settings_default(void)
{
    return (struct sim_settings){
        .sim_asks = true, .aka_asks = true, .check_3gpp2 = true, .check_3gpp = true};
}

// A number by the clock: seconds in its upper 32 bits, as strongSwan's.
static uint64_t number_at(uint64_t now_s)
{
    return (now_s & UINT32_MAX) << 16;
}

struct simcards *simcards_new(uint64_t now_s)
{
    struct simcards *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->entries = calloc(SIM_MEMORIES_MAX, sizeof *s->entries);
    if (!s->entries || pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s->entries);
        free(s);
        return NULL;
    }
    s->first_number = number_at(now_s);
    return s;
}

struct simcards *simcards_ref(struct simcards *s)
{
    if (s) atomic_fetch_add(&s->refs, 1);
    return s;
}

static void entry_free(struct entry *e)
{
    if (e) wipe(e, sizeof *e);
    free(e);
}

void simcards_free(struct simcards *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) > 0) return;
    for (unsigned i = 0; i < s->n; i++) entry_free(s->entries[i]);
    free(s->entries);
    sim_triplets_free(s->triplets);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

err_t sim_name_set(struct sim_name *n, span_t text)
{
    if (!text.len || text.len > sizeof n->at) return ERR_RANGE;
    memcpy(n->at, text.at, text.len);
    n->len = (uint16_t)text.len;
    return ERR_OK;
}

// ---- triplets ----------------------------------------------------------------------------------

err_t sim_triplets_load(struct simcards *s, const char *path, unsigned *n, struct why *why)
{
    struct sim_triplets *t = NULL;
    TRY(sim_triplets_read(path, &t, why));
    *n = sim_triplets_n(t);
    pthread_mutex_lock(&s->lock);
    struct sim_triplets *old = s->triplets;
    s->triplets = t;
    pthread_mutex_unlock(&s->lock);
    sim_triplets_free(old);
    return ERR_OK;
}

err_t sim_triplets_pick(struct simcards *s, span_t who, unsigned n, struct sim_triplet *out)
{
    pthread_mutex_lock(&s->lock);
    err_t err = s->triplets ? sim_triplets_next(s->triplets, who, n, out) : ERR_NOTFOUND;
    pthread_mutex_unlock(&s->lock);
    return err;
}

err_t sim_triplet_of(struct simcards *s, span_t who, const uint8_t rand[SIM_RAND_LEN],
                     struct sim_triplet *out)
{
    pthread_mutex_lock(&s->lock);
    err_t err = s->triplets ? sim_triplets_find(s->triplets, who, rand, out) : ERR_NOTFOUND;
    pthread_mutex_unlock(&s->lock);
    return err;
}

bool sim_has_triplets(struct simcards *s, span_t who)
{
    struct sim_triplet t;
    bool has = sim_triplet_of(s, who, NULL, &t) == ERR_OK;
    wipe(&t, sizeof t);
    return has;
}

// ---- memories: all below with the lock held, but for the functions of the header ----------------

static bool is_owner(const struct entry *e, const struct sim_owner *o)
{
    return e->server == o->server && e->type == o->type && span_eq(sim_name_span(&e->who), o->who);
}

static struct entry *entry_find(struct simcards *s, const struct sim_owner *o)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (!is_owner(s->entries[i], o)) continue;
        s->entries[i]->used = ++s->turn;
        return s->entries[i];
    }
    return NULL;
}

static unsigned longest_unused(const struct simcards *s)
{
    unsigned at = 0;
    for (unsigned i = 1; i < s->n; i++) {
        if (s->entries[i]->used < s->entries[at]->used) at = i;
    }
    return at;
}

// NULL: out of memory.
static struct entry *entry_get(struct simcards *s, const struct sim_owner *o)
{
    struct entry *e = entry_find(s, o);
    if (e) return e;
    e = calloc(1, sizeof *e);
    if (!e || sim_name_set(&e->who, o->who) != ERR_OK) {
        free(e);
        return NULL;
    }
    e->server = o->server;
    e->type = o->type;
    e->used = ++s->turn;
    unsigned at = s->n < SIM_MEMORIES_MAX ? s->n++ : longest_unused(s);
    entry_free(s->entries[at]);
    s->entries[at] = e;
    return e;
}

bool sim_recall(struct simcards *s, const struct sim_owner *o, struct sim_memory *out)
{
    pthread_mutex_lock(&s->lock);
    const struct entry *e = entry_find(s, o);
    if (e) *out = e->memory;
    pthread_mutex_unlock(&s->lock);
    return e;
}

void sim_keep(struct simcards *s, const struct sim_owner *o, const struct sim_memory *m)
{
    pthread_mutex_lock(&s->lock);
    struct entry *e = entry_get(s, o);
    if (e) {
        struct sim_name pseudonym = m->pseudonym.len ? m->pseudonym : e->memory.pseudonym;
        e->memory = *m;
        e->memory.pseudonym = pseudonym;
    }
    pthread_mutex_unlock(&s->lock);
}

void sim_spend(struct simcards *s, const struct sim_owner *o)
{
    pthread_mutex_lock(&s->lock);
    struct entry *e = entry_find(s, o);
    if (e) e->memory.again.len = 0;
    pthread_mutex_unlock(&s->lock);
}

static bool is_name(const struct entry *e, span_t name)
{
    return span_eq(sim_name_span(&e->memory.pseudonym), name) ||
           span_eq(sim_name_span(&e->memory.again), name);
}

err_t sim_find(struct simcards *s, uint8_t type, span_t name, struct sim_name *who)
{
    err_t err = ERR_NOTFOUND;
    if (!name.len) return err;
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->n && err != ERR_OK; i++) {
        const struct entry *e = s->entries[i];
        if (!e->server || (type && e->type != type) || !is_name(e, name)) continue;
        *who = e->who;
        err = ERR_OK;
    }
    pthread_mutex_unlock(&s->lock);
    return err;
}

// ---- sequence numbers --------------------------------------------------------------------------

static struct entry *numbers_of(struct simcards *s, bool server, span_t who, bool make)
{
    const struct sim_owner o = {.server = server, .type = NUMBERS, .who = who};
    return make ? entry_get(s, &o) : entry_find(s, &o);
}

// By the clock, and one more for each: no identity needs to be remembered that has not complained.
uint64_t sim_number_next(struct simcards *s, span_t who, uint64_t now_s)
{
    uint64_t clock = number_at(now_s + AHEAD_S);
    pthread_mutex_lock(&s->lock);
    uint64_t next = s->last_number + 1 > clock ? s->last_number + 1 : clock;
    s->last_number = next;
    struct entry *e = numbers_of(s, true, who, false);
    if (e) next = e->number = e->number + 1 > next ? e->number + 1 : next;
    pthread_mutex_unlock(&s->lock);
    return next;
}

void sim_number_said(struct simcards *s, span_t who, uint64_t number)
{
    pthread_mutex_lock(&s->lock);
    struct entry *e = numbers_of(s, true, who, true);
    if (e) e->number = number;
    pthread_mutex_unlock(&s->lock);
}

bool sim_number_take(struct simcards *s, span_t who, uint64_t number, uint64_t *at)
{
    pthread_mutex_lock(&s->lock);
    struct entry *e = numbers_of(s, false, who, true);
    *at = e && e->number > s->first_number ? e->number : s->first_number;
    bool later = number > *at;
    if (later && e) e->number = number;
    pthread_mutex_unlock(&s->lock);
    return later;
}
