// later.h - connections that shall be tried again: after a dead peer, a close, a failed start. Each
// child waits longer from time to time, so that a peer who refuses is not asked without pause.
#pragma once

#include "ike/sa/due.h"
#include "ike/sa/index.h"

struct later_entry;

// Zeroed: empty.
struct later {
    struct due_heap due;
    struct index by_conn;
};

// Plans an attempt, at most one for a child. The first comes at once, then 1 s, 2 s, ... 5 min; a
// quiet while (10 min) forgets the pauses.
// random: any number; up to a quarter longer is each pause by it, so that many who lost the same
// peer at the same moment do not come back at the same moment.
void later_plan(struct later *l, const char *conn, const char *child, uint64_t now,
                uint64_t random);
// ... at this time, whatever the pauses are.
void later_plan_at(struct later *l, const char *conn, const char *child, uint64_t at);
// Cancels attempts; child NULL: of the whole connection.
void later_cancel(struct later *l, const char *conn, const char *child);
uint64_t later_due(const struct later *l);
// The next attempt that is due: names, valid until the next later_* call. ERR_AGAIN: none.
err_t later_take(struct later *l, uint64_t now, const char **conn, const char **child);
void later_done(struct later *l);
