// loop.h - the event loop of a daemon's control thread: sockets, timers, signals (libev inside).
// Everything here belongs to the one thread that runs the loop, except loop_wake().
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct loop_io;    // a watched file descriptor
struct loop_timer; // a one-shot timer

enum loop_events { LOOP_READ = 1, LOOP_WRITE = 2 };

typedef void loop_io_fn(void *ctx, int fd, int events);
typedef void loop_timer_fn(void *ctx);
typedef void loop_signal_fn(void *ctx, int signal);

struct loop *loop_new(void);   // NULL when out of memory or descriptors
void loop_free(struct loop *); // all watchers must be freed before
void loop_run(struct loop *);  // returns after loop_stop()
void loop_stop(struct loop *);
// Runs fn(ctx) soon in the loop's thread. May be called from any thread; several calls before
// the loop gets to it are one. Only one function per loop.
void loop_on_wake(struct loop *, loop_timer_fn *fn, void *ctx);
void loop_wake(struct loop *);

// Watches fd (owned by the caller, who closes it after loop_io_free). NULL when out of memory.
struct loop_io *loop_io_new(struct loop *, int fd, int events, loop_io_fn *fn, void *ctx);
void loop_io_want(struct loop_io *, int events); // changes what is waited for; 0 = pause
void loop_io_free(struct loop_io *); // NULL is fine; may be called from its own callback

struct loop_timer *loop_timer_new(struct loop *, loop_timer_fn *fn, void *ctx);
void loop_timer_at(struct loop_timer *, uint64_t mono_ns); // (re)arms; a past time means soon
void loop_timer_stop(struct loop_timer *);
void loop_timer_free(struct loop_timer *); // NULL is fine

// Calls fn in the loop when the signal arrives. At most 8.
err_t loop_on_signal(struct loop *, int signal, loop_signal_fn *fn, void *ctx);
