// scripts.h - the process that runs updown scripts. It is started before the daemon enters its
// sandbox and keeps the rights that scripts need (firewall, routes, resolver). It runs only what
// the configuration names: it reads that itself, so whoever takes the daemon over cannot have it
// run anything else. Scripts run one after another, in the order of the events, beside the
// protocol; what they print goes into the log.
#pragma once

#include "base/err.h"
#include "base/loop.h"
#include "conf/config.h"

// A script that has not ended by then is killed.
#define SCRIPT_SECONDS 60
// Of one request: command and environment.
#define SCRIPT_BYTES_MAX 16384

struct scripts;

// Forks: call it before there are other threads. path: the configuration, read again on
// scripts_reload(); config: what is in it now. ERR_SYSTEM with a sentence.
err_t scripts_start(const char *path, const struct config *config, struct scripts **out,
                    struct why *why);
// From now on the output of scripts is logged.
err_t scripts_listen(struct scripts *s, struct loop *loop);
void scripts_reload(struct scripts *s); // the configuration has changed
// variables: "NAME=value" strings, each with its terminator. Returns at once.
// Errors: ERR_LIMIT (too long), ERR_SYSTEM (the process is gone).
err_t scripts_run(struct scripts *s, const char *command, span_t variables);
// How many have been asked for, and how many of these have run or never will. They run in order.
uint64_t scripts_asked(const struct scripts *s);
uint64_t scripts_ran(const struct scripts *s);
// fn(ctx) when one has run. NULL: nobody is told.
void scripts_on_ran(struct scripts *s, void (*fn)(void *ctx), void *ctx);
// Waits until the scripts that were asked for have run, but no longer than one may take. NULL is
// fine.
void scripts_free(struct scripts *s);
// Does any child of it name a script?
bool scripts_needed(const struct config *c);
