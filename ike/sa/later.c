#include "ike/sa/later.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define PAUSE_FIRST (1 * NSEC_PER_SEC)
#define PAUSE_LONGEST (300 * NSEC_PER_SEC)
#define QUIET (600 * NSEC_PER_SEC)

struct later_entry {
    struct due due; // first: a pointer to it is one to the whole. DUE_NEVER = nothing planned
    struct index_place place;
    char *conn, *child; // names
    uint64_t pause_ns;  // the last one; doubles
    uint64_t planned_at;
};

static struct later_entry *entry_of(struct due *d)
{
    return (struct later_entry *)(void *)d;
}

// Names are the administrator's own.
static uint64_t name_hash(const char *conn)
{
    uint64_t h = 0xcbf29ce484222325;
    for (; *conn; conn++) h = (h ^ (uint8_t)*conn) * 0x100000001b3;
    return h ^ h >> 32;
}

// The next one of a connection and, if child is given, of that; at: where to begin.
static struct later_entry *entry_next(struct index_place *at, const char *conn, const char *child)
{
    for (; at; at = index_next(at)) {
        struct later_entry *e = at->what;
        if (strcmp(e->conn, conn) == 0 && (!child || strcmp(e->child, child) == 0)) return e;
    }
    return NULL;
}

static struct later_entry *entry_first(struct later *l, const char *conn, const char *child)
{
    if (!l->by_conn.bucket) return NULL;
    return entry_next(index_first(&l->by_conn, name_hash(conn)), conn, child);
}

static void entry_free(struct later_entry *e)
{
    free(e->conn);
    free(e->child);
    free(e);
}

static struct later_entry *entry_for(struct later *l, const char *conn, const char *child)
{
    struct later_entry *e = entry_first(l, conn, child);
    if (e) return e;
    if (!l->by_conn.bucket && index_init(&l->by_conn) != ERR_OK) return NULL;
    e = calloc(1, sizeof *e);
    if (!e) return NULL;
    *e = (struct later_entry){.due.at = DUE_NEVER, .conn = strdup(conn), .child = strdup(child)};
    if (!e->conn || !e->child || due_add(&l->due, &e->due) != ERR_OK) {
        entry_free(e);
        return NULL;
    }
    index_add(&l->by_conn, &e->place, name_hash(conn), e);
    return e;
}

void later_plan(struct later *l, const char *conn, const char *child, uint64_t now, uint64_t random)
{
    struct later_entry *e = entry_for(l, conn, child);
    if (!e || e->due.at != DUE_NEVER) return;
    bool quiet = !e->planned_at || now - e->planned_at > QUIET + e->pause_ns;
    uint64_t pause = e->pause_ns ? 2 * e->pause_ns : PAUSE_FIRST;
    if (pause > PAUSE_LONGEST) pause = PAUSE_LONGEST;
    e->pause_ns = quiet ? 0 : pause;
    e->planned_at = now;
    due_change(&l->due, &e->due, now + e->pause_ns + random % (e->pause_ns / 4 + 1));
}

void later_plan_at(struct later *l, const char *conn, const char *child, uint64_t at)
{
    struct later_entry *e = entry_for(l, conn, child);
    if (e && e->due.at == DUE_NEVER) due_change(&l->due, &e->due, at);
}

void later_cancel(struct later *l, const char *conn, const char *child)
{
    struct later_entry *e = entry_first(l, conn, child);
    for (; e; e = entry_next(index_next(&e->place), conn, child)) {
        due_change(&l->due, &e->due, DUE_NEVER);
    }
}

uint64_t later_due(const struct later *l)
{
    const struct due *d = due_first(&l->due);
    return d ? d->at : DUE_NEVER;
}

err_t later_take(struct later *l, uint64_t now, const char **conn, const char **child)
{
    struct due *d = due_first(&l->due);
    if (!d || d->at > now) return ERR_AGAIN;
    *conn = entry_of(d)->conn;
    *child = entry_of(d)->child;
    due_change(&l->due, d, DUE_NEVER);
    return ERR_OK;
}

void later_done(struct later *l)
{
    for (struct due *d; (d = due_first(&l->due));) {
        due_remove(&l->due, d);
        entry_free(entry_of(d));
    }
    due_done(&l->due);
    index_done(&l->by_conn);
    *l = (struct later){0};
}
