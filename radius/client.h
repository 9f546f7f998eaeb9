// client.h - questions to RADIUS servers: which server is asked, when a question is repeated, when
// the next server gets it, and which answers are believed (RFC 2865 2, RFC 5080 2.2). No sockets
// and no clock: struct radius_env brings them. One thread.
//
// Each lane is a socket of its own that is connected to one server: 256 identifiers.
#pragma once

#include "base/log.h"
#include "radius/conf.h"
#include "radius/reply.h"

#define RADIUS_LANES_MAX (RADIUS_SERVERS_MAX * (RADIUS_SOCKETS_MAX + 1))
#define RADIUS_ANY_SERVER (-1)

// A question, of whoever asks; it must stay where it is until `done` is called.
struct radius_query {
    // What is asked:
    bool accounting;
    uint16_t attrs_len;
    uint8_t attrs[RADIUS_ATTRS_MAX]; // without NAS-Identifier, which belongs to the server
    int server; // this one and no other; RADIUS_ANY_SERVER: as preferred. Then: who has answered
    void (*done)(struct radius_query *q); // called once, never from within radius_ask()
    void *ctx;                            // for it
    // Then:
    err_t err; // ERR_OK; ERR_TIMEOUT, ERR_SYNTAX, ERR_CRYPTO, ERR_CLOSED (the client has ended)
    struct why why;
    struct radius_reply reply;

    // The client's own:
    struct radius_query *next, *prev;
    unsigned lane, repeated, tried; // tried: a set of servers
    bool bound, doubted;
    uint8_t id, auth[RADIUS_AUTH_LEN];
    uint64_t at; // monotonic ns: it is repeated
    size_t len;
    uint8_t bytes[RADIUS_MAX];
};

struct radius_env {
    void *ctx;
    uint64_t (*now)(void *ctx); // monotonic ns
    void (*random)(void *ctx, void *out, size_t n);
    void (*send)(void *ctx, unsigned lane, span_t bytes); // may be lost
    void (*tell)(void *ctx, enum log_level level, const char *sentence);
};

struct radius_client;

// conf and env are copied. NULL: out of memory.
struct radius_client *radius_client_new(const struct radius_conf *conf,
                                        const struct radius_env *env);
void radius_client_free(struct radius_client *c); // ends all questions: ERR_CLOSED. NULL is fine

unsigned radius_lanes(const struct radius_client *c);
endpoint_t radius_lane_to(const struct radius_client *c, unsigned lane);

// Errors, with a sentence; `done` is not called then: ERR_LIMIT (too many under way), ERR_SPACE,
// ERR_CRYPTO, ERR_NOTFOUND (no such server).
err_t radius_ask(struct radius_client *c, struct radius_query *q, struct why *why);
void radius_input(struct radius_client *c, unsigned lane, span_t bytes); // whatever has come
void radius_tick(struct radius_client *c);                               // repeats, gives up
uint64_t radius_due(const struct radius_client *c); // when to call it; UINT64_MAX: never
