// counters.h - what has been said and heard, counted as strongSwan counts it (swanctl --counters):
// in all, and for every connection. Messages count once, repeated ones and pieces do not.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

// X(symbol, name); of exchanges four each: in and out, request and response.
#define COUNTER_LIST(X)                        \
    X(IKE_REKEY_INIT, "ike-rekey-init")        \
    X(IKE_REKEY_RESP, "ike-rekey-resp")        \
    X(CHILD_REKEY, "child-rekey")              \
    X(INVALID, "invalid")                      \
    X(INVALID_SPI, "invalid-spi")              \
    X(INIT_IN_REQ, "ike-init-in-req")          \
    X(INIT_IN_RESP, "ike-init-in-resp")        \
    X(INIT_OUT_REQ, "ike-init-out-req")        \
    X(INIT_OUT_RESP, "ike-init-out-resp")      \
    X(AUTH_IN_REQ, "ike-auth-in-req")          \
    X(AUTH_IN_RESP, "ike-auth-in-resp")        \
    X(AUTH_OUT_REQ, "ike-auth-out-req")        \
    X(AUTH_OUT_RESP, "ike-auth-out-resp")      \
    X(CHILD_IN_REQ, "create-child-in-req")     \
    X(CHILD_IN_RESP, "create-child-in-resp")   \
    X(CHILD_OUT_REQ, "create-child-out-req")   \
    X(CHILD_OUT_RESP, "create-child-out-resp") \
    X(INFO_IN_REQ, "info-in-req")              \
    X(INFO_IN_RESP, "info-in-resp")            \
    X(INFO_OUT_REQ, "info-out-req")            \
    X(INFO_OUT_RESP, "info-out-resp")

enum counter {
#define X(name, text) COUNTER_##name,
    COUNTER_LIST(X)
#undef X
        COUNTERS
};
extern const char *const counter_names[COUNTERS];

#define COUNTER_CONNS_MAX 65536 // connections that are counted; those beyond only in all

struct counter_set; // of one connection
struct counters {
    uint64_t all[COUNTERS];
    struct counter_set **bucket;
    unsigned sets;
};

void counters_done(struct counters *c);
// conn: NULL or "" for what belongs to none.
void counters_add(struct counters *c, const char *conn, enum counter which);
// NULL: nothing was counted for it. conn NULL: in all.
const uint64_t *counters_of(const struct counters *c, const char *conn);
typedef void counters_fn(void *ctx, const char *conn, const uint64_t *values);
void counters_each(const struct counters *c, counters_fn *fn, void *ctx);
void counters_reset(struct counters *c, const char *conn); // NULL: those in all
void counters_reset_each(struct counters *c);              // of every connection
