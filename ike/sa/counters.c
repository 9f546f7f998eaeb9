#include "ike/sa/counters.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024u

struct counter_set {
    struct counter_set *next;
    uint64_t n[COUNTERS];
    char conn[];
};

const char *const counter_names[COUNTERS] = {
#define X(name, text) text,
    COUNTER_LIST(X)
#undef X
};

// FNV-1a; the names are the administrator's own.
static unsigned bucket_of(const char *conn)
{
    uint32_t h = 2166136261U;
    for (; *conn; conn++) h = (h ^ (uint8_t)*conn) * 16777619U;
    return h % BUCKETS;
}

static struct counter_set *find(const struct counters *c, const char *conn)
{
    struct counter_set *s = c->bucket ? c->bucket[bucket_of(conn)] : NULL;
    while (s && strcmp(s->conn, conn) != 0) s = s->next;
    return s;
}

static struct counter_set *make(struct counters *c, const char *conn)
{
    if (!c->bucket) c->bucket = calloc(BUCKETS, sizeof(struct counter_set *));
    if (!c->bucket || c->sets == COUNTER_CONNS_MAX) return NULL;
    struct counter_set *s = calloc(1, sizeof *s + strlen(conn) + 1);
    if (!s) return NULL;
    memcpy(s->conn, conn, strlen(conn) + 1);
    s->next = c->bucket[bucket_of(conn)];
    c->bucket[bucket_of(conn)] = s;
    c->sets++;
    return s;
}

void counters_done(struct counters *c)
{
    for (unsigned i = 0; c->bucket && i < BUCKETS; i++) {
        while (c->bucket[i]) {
            struct counter_set *s = c->bucket[i];
            c->bucket[i] = s->next;
            free(s);
        }
    }
    free(c->bucket);
    *c = (struct counters){0};
}

void counters_add(struct counters *c, const char *conn, enum counter which)
{
    c->all[which]++;
    if (!conn || !*conn) return;
    struct counter_set *s = find(c, conn);
    if (!s) s = make(c, conn);
    if (s) s->n[which]++;
}

const uint64_t *counters_of(const struct counters *c, const char *conn)
{
    if (!conn || !*conn) return c->all;
    const struct counter_set *s = find(c, conn);
    return s ? s->n : NULL;
}

void counters_each(const struct counters *c, counters_fn *fn, void *ctx)
{
    for (unsigned i = 0; c->bucket && i < BUCKETS; i++) {
        for (const struct counter_set *s = c->bucket[i]; s; s = s->next) fn(ctx, s->conn, s->n);
    }
}

void counters_reset(struct counters *c, const char *conn)
{
    struct counter_set *s = conn && *conn ? find(c, conn) : NULL;
    if (s) memset(s->n, 0, sizeof s->n);
    if (!conn || !*conn) memset(c->all, 0, sizeof c->all);
}

void counters_reset_each(struct counters *c)
{
    for (unsigned i = 0; c->bucket && i < BUCKETS; i++) {
        for (struct counter_set *s = c->bucket[i]; s; s = s->next) memset(s->n, 0, sizeof s->n);
    }
}
