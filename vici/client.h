// client.h - a VICI client that waits: for the pavise command. One thread.
#pragma once

#include "vici/msg.h"

struct vici_client;

// Errors: ERR_NOTFOUND (no such socket: daemon not running), ERR_PERMISSION, ERR_SYSTEM,
// ERR_RANGE (path too long), with a sentence.
err_t vici_connect(const char *path, struct vici_client **out, struct why *why);
void vici_close(struct vici_client *c);
// Sends a command and waits (timeout_ms; -1 = for ever). Events that arrive in between go to
// on_event (may be NULL). *answer (may be NULL too) borrows until the next call and has been
// checked. After any error but ERR_UNSUPPORTED the connection is of no more use.
// Errors: ERR_UNSUPPORTED (unknown command), ERR_TIMEOUT, ERR_CLOSED, ERR_SYNTAX, ERR_SPACE.
typedef void vici_event_fn(void *ctx, span_t name, span_t elements);
err_t vici_ask(struct vici_client *c, const char *command, const struct vici_msg *args,
               int timeout_ms, vici_event_fn *on_event, void *ctx, span_t *answer);
// Asks for events of a kind. ERR_NOTFOUND: the daemon does not know it.
err_t vici_register(struct vici_client *c, const char *event);
// Waits for one event. ERR_TIMEOUT (try again), ERR_CLOSED, ERR_SYNTAX.
err_t vici_wait(struct vici_client *c, int timeout_ms, vici_event_fn *on_event, void *ctx);
