#include "xfrm/db/db.h"

#include <stdlib.h>

struct db *db_new(void)
{
    struct db *db = calloc(1, sizeof *db);
    if (!db) return NULL;
    db->sad = sad_new();
    db->spd = spd_new();
    for (unsigned d = 0; d < XFRM_DIRS; d++) db->defaults[d] = XFRM_DEFAULT_ACCEPT;
    if (db->sad && db->spd) return db;
    db_free(db);
    return NULL;
}

void db_free(struct db *db)
{
    if (!db) return;
    spd_free(db->spd, db->sad ? sad_lanes(db->sad) : NULL);
    sad_free(db->sad);
    free(db);
    rcu_barrier();
}

uint64_t db_generation(const struct db *db)
{
    return __atomic_load_n(&db->generation, __ATOMIC_ACQUIRE);
}

void db_changed(struct db *db)
{
    __atomic_store_n(&db->generation, db->generation + 1, __ATOMIC_RELEASE);
}

bool db_has_bundles(const struct db *db)
{
    return __atomic_load_n(&db->bundles, __ATOMIC_RELAXED);
}

void db_note_bundle(struct db *db)
{
    __atomic_store_n(&db->bundles, true, __ATOMIC_RELAXED);
}

// ---- marks of inbound policies ----

static struct db_mark *mark_find(struct db *db, uint32_t mark)
{
    for (unsigned i = 0; i < db->mark_count; i++) {
        if (db->mark[i].value == mark) return &db->mark[i];
    }
    return NULL;
}

bool db_mark_hold(struct db *db, uint32_t mark)
{
    struct db_mark *m = mark_find(db, mark);
    if (!m && db->mark_count == DB_MARKS_MAX) return false;
    if (m) {
        m->users++;
        return true;
    }
    m = &db->mark[db->mark_count];
    m->users = 1;
    __atomic_store_n(&m->value, mark, __ATOMIC_RELAXED);
    __atomic_store_n(&db->mark_count, db->mark_count + 1, __ATOMIC_RELEASE);
    return true;
}

void db_mark_drop(struct db *db, uint32_t mark)
{
    struct db_mark *m = mark_find(db, mark);
    if (!m || --m->users > 0) return;
    const struct db_mark *last = &db->mark[db->mark_count - 1];
    m->users = last->users;
    __atomic_store_n(&m->value, last->value, __ATOMIC_RELAXED);
    __atomic_store_n(&db->mark_count, db->mark_count - 1, __ATOMIC_RELEASE);
}
