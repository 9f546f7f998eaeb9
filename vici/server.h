// server.h - serves VICI on a Unix stream socket: many clients, one command in flight each, events
// to those who registered. A slow client stalls nobody: what it does not read is kept up to a
// limit, then the connection is closed. All in the loop's thread.
#pragma once

#include "base/loop.h"
#include "vici/msg.h"

#define VICI_CLIENTS_MAX 256                 // more are closed at once; each may hold a packet
#define VICI_EVENT_BACKLOG_MAX (1024 * 1024) // unsent bytes of a client that gets a public event
#define VICI_CALL_BACKLOG_MAX (64 * 1024 * 1024) // unsent bytes of what a client itself asked for

struct vici_server;
struct vici_call; // one command that waits for its answer

// Handles a command, whose elements have been checked and live until it returns. Must lead to
// exactly one vici_answer() for the call, now or later. Must not free the server.
typedef void vici_command_fn(void *ctx, struct vici_call *call, span_t elements);

struct vici_command {
    const char *name;
    vici_command_fn *run;
};

// Tables end with NULL names and are borrowed. `path`: Unix socket (created with mode 0770, an old
// socket without a listener is replaced). Errors: ERR_EXISTS (another daemon listens, or something
// that is not a socket is in the way), ERR_RANGE (path too long), ERR_SYSTEM, ERR_NOMEM.
err_t vici_server_new(struct loop *loop, const char *path, const struct vici_command *commands,
                      const char *const *events, void *ctx, struct vici_server **out,
                      struct why *why);
// Closes all clients and removes the socket. Calls that still wait may be answered afterwards.
void vici_server_free(struct vici_server *s);
// Answers and frees the call; m is consumed. Fine after the client has gone. An answer that is too
// long for a packet becomes success=no with an errmsg.
void vici_answer(struct vici_call *call, struct vici_msg *m);
// Event to the one client of a call (list-sa, control-log), if it registered for it.
void vici_call_event(struct vici_call *call, const char *event, const struct vici_msg *m);
// true when nobody waits for the answer any more.
bool vici_call_gone(const struct vici_call *call);
// Event to all clients that registered for it.
void vici_event(struct vici_server *s, const char *event, const struct vici_msg *m);
bool vici_event_wanted(const struct vici_server *s, const char *event);
