// server.h - serves VICI on a Unix stream socket: many clients, one command in flight each, events
// to those who registered. A slow client is bounded (1 MiB of unsent output, then it is closed) and
// stalls nobody. All in the loop's thread.
#pragma once

#include "base/loop.h"
#include "vici/msg.h"

struct vici_server;
struct vici_call; // one command that waits for its answer

// Handles a command. Must lead to exactly one vici_answer() for the call, now or later.
typedef void vici_command_fn(void *ctx, struct vici_call *call, span_t elements);

struct vici_command {
    const char *name;
    vici_command_fn *run;
};

// Tables end with NULL names and are borrowed. `path`: Unix socket (created with mode 0770, an old
// socket without a listener is replaced). Errors: ERR_EXISTS (another daemon listens), ERR_SYSTEM.
err_t vici_server_new(struct loop *loop, const char *path, const struct vici_command *commands,
                      const char *const *events, void *ctx, struct vici_server **out,
                      struct why *why);
void vici_server_free(struct vici_server *s);
// Answers and frees the call; m is consumed. Fine after the client has gone.
void vici_answer(struct vici_call *call, struct vici_msg *m);
// Event to the one client of a call (list-sa, control-log), if it registered for it.
void vici_call_event(struct vici_call *call, const char *event, const struct vici_msg *m);
// Event to all clients that registered for it.
void vici_event(struct vici_server *s, const char *event, const struct vici_msg *m);
bool vici_event_wanted(const struct vici_server *s, const char *event);
