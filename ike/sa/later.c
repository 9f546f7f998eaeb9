#include "ike/sa/later.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define PAUSE_FIRST (1 * NSEC_PER_SEC)
#define PAUSE_LONGEST (300 * NSEC_PER_SEC)
#define QUIET (600 * NSEC_PER_SEC)

static bool entry_is(const struct later_entry *e, const char *conn, const char *child)
{
    return strcmp(e->conn, conn) == 0 && (!child || strcmp(e->child, child) == 0);
}

static struct later_entry *entry_for(struct later *l, const char *conn, const char *child)
{
    for (struct later_entry *e = l->first; e; e = e->next) {
        if (entry_is(e, conn, child)) return e;
    }
    struct later_entry *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    *e = (struct later_entry){
        .next = l->first, .conn = strdup(conn), .child = strdup(child), .at = UINT64_MAX};
    if (e->conn && e->child) {
        l->first = e;
        return e;
    }
    free(e->conn);
    free(e->child);
    free(e);
    return NULL;
}

void later_plan(struct later *l, const char *conn, const char *child, uint64_t now, uint64_t random)
{
    struct later_entry *e = entry_for(l, conn, child);
    if (!e || e->at != UINT64_MAX) return;
    bool quiet = !e->planned_at || now - e->planned_at > QUIET + e->pause_ns;
    uint64_t pause = e->pause_ns ? 2 * e->pause_ns : PAUSE_FIRST;
    if (pause > PAUSE_LONGEST) pause = PAUSE_LONGEST;
    e->pause_ns = quiet ? 0 : pause;
    e->planned_at = now;
    e->at = now + e->pause_ns + random % (e->pause_ns / 4 + 1);
}

void later_plan_at(struct later *l, const char *conn, const char *child, uint64_t at)
{
    struct later_entry *e = entry_for(l, conn, child);
    if (e && e->at == UINT64_MAX) e->at = at;
}

void later_cancel(struct later *l, const char *conn, const char *child)
{
    for (struct later_entry *e = l->first; e; e = e->next) {
        if (entry_is(e, conn, child)) e->at = UINT64_MAX;
    }
}

uint64_t later_due(const struct later *l)
{
    uint64_t due = UINT64_MAX;
    for (const struct later_entry *e = l->first; e; e = e->next) {
        if (e->at < due) due = e->at;
    }
    return due;
}

err_t later_take(struct later *l, uint64_t now, const char **conn, const char **child)
{
    for (struct later_entry *e = l->first; e; e = e->next) {
        if (e->at > now) continue;
        e->at = UINT64_MAX;
        *conn = e->conn;
        *child = e->child;
        return ERR_OK;
    }
    return ERR_AGAIN;
}

void later_done(struct later *l)
{
    while (l->first) {
        struct later_entry *e = l->first;
        l->first = e->next;
        free(e->conn);
        free(e->child);
        free(e);
    }
}
