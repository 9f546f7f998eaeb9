// log.h - what the daemons say. One sink per process, set up by the composition root.
// Secrets never come here: struct secret has no way to be printed.
#pragma once

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_STORY, LOG_INFO, LOG_DEBUG };

// Receives one finished line without newline. Called from any thread, one at a time.
typedef void log_sink_t(void *ctx, enum log_level level, const char *subject, const char *line);

// Adds a sink (at most 4: stderr, file, control-log, a test). Not thread-safe: before threads
// start.
void log_add_sink(log_sink_t *sink, void *ctx);
void log_remove_sink(log_sink_t *sink, void *ctx);
void log_set_level(enum log_level level); // default LOG_STORY; lines above it are dropped
bool log_wanted(enum log_level level);
// subject: what the line is about, e.g. "net-net[3]" or "xfrm"; never NULL.
void log_say(enum log_level level, const char *subject, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
// Ready-made sinks: "HH:MM:SS.mmm subject: line" on stderr, and "<N>subject: line" for systemd's
// journal, which knows the time and takes N as the priority (sd-daemon(3)).
void log_to_stderr(void *ctx, enum log_level level, const char *subject, const char *line);
void log_to_journal(void *ctx, enum log_level level, const char *subject, const char *line);
// Which of them: the latter where systemd says that stderr is its journal (JOURNAL_STREAM,
// systemd.exec(5)). To be asked before a sandbox.
log_sink_t *log_stderr_sink(void);
