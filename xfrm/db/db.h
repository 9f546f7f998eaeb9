// db.h - the executor's database: SAD and SPD, and a number that tells when they have changed.
//
// One control thread writes (through control.h), workers read without locks inside their RCU read
// side: what they find stays valid until their next quiescent state. Every thread that touches a
// database must be registered (rcu_register_thread); one that waits in poll() goes offline first
// (rcu_thread_offline), or nothing is ever freed. db_new and db_free included.
#pragma once

#include "xfrm/db/sad.h"
#include "xfrm/db/spd.h"

#define DB_MARKS_MAX 64 // of inbound policies: a packet may be tried with each of them

struct db_mark {
    uint32_t value, users;
};

struct db {
    struct sad *sad;
    struct spd *spd;
    uint64_t generation;
    uint8_t defaults[XFRM_DIRS]; // enum xfrm_default; atomic
    bool bundles;                // atomic; once set it stays
    // Of inbound policies: the host marks packets behind us. Values and their number are atomic.
    struct db_mark mark[DB_MARKS_MAX];
    unsigned mark_count;
};

struct db *db_new(void);     // NULL when out of memory
void db_free(struct db *db); // no reader may be left; waits for pending frees (rcu_barrier)

// Changes whenever an SA or a policy is added, changed or removed: a worker compares it with the
// last one it saw and calls hold_retry(). Any thread.
uint64_t db_generation(const struct db *db);
void db_changed(struct db *db); // control thread
// Has there been a policy that asks for several SAs? Any thread; told by the control thread.
bool db_has_bundles(const struct db *db);
void db_note_bundle(struct db *db);

// One more inbound policy for this mark; one less. False: there are DB_MARKS_MAX others. Control
// thread.
bool db_mark_hold(struct db *db, uint32_t mark);
void db_mark_drop(struct db *db, uint32_t mark);
// The i-th of those marks; false: there are no more. One that comes or goes meanwhile may be missed
// or found twice. Any thread.
static inline bool db_mark_at(const struct db *db, unsigned i, uint32_t *out)
{
    if (i >= __atomic_load_n(&db->mark_count, __ATOMIC_ACQUIRE)) return false;
    *out = __atomic_load_n(&db->mark[i].value, __ATOMIC_RELAXED);
    return true;
}

// Does a packet that no policy matches have to be dropped? Any thread.
static inline bool db_blocks(const struct db *db, enum xfrm_dir dir)
{
    return __atomic_load_n(&db->defaults[dir], __ATOMIC_RELAXED) == XFRM_DEFAULT_BLOCK;
}
// Lookups of the packet path. Any RCU reader.
static inline struct policy *db_policy(const struct db *db, enum xfrm_dir dir, uint32_t mark,
                                       const struct flow *f)
{
    return spd_find(db->spd, &(struct spd_ask){.dir = dir, .mark = mark}, f);
}
