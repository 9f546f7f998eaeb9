#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SINKS_MAX 4

// The one process-wide state outside daemon/: a log line must be possible from anywhere.
static struct {
    pthread_mutex_t lock;
    struct {
        log_sink_t *run;
        void *ctx;
    } sink[SINKS_MAX];
    enum log_level level;
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_STORY};

void log_add_sink(log_sink_t *sink, void *ctx)
{
    for (int i = 0; i < SINKS_MAX; i++) {
        if (log_state.sink[i].run) continue;
        log_state.sink[i].run = sink;
        log_state.sink[i].ctx = ctx;
        return;
    }
}

void log_remove_sink(log_sink_t *sink, void *ctx)
{
    for (int i = 0; i < SINKS_MAX; i++) {
        if (log_state.sink[i].run == sink && log_state.sink[i].ctx == ctx) {
            log_state.sink[i].run = NULL;
        }
    }
}

void log_set_level(enum log_level level)
{
    log_state.level = level;
}
bool log_wanted(enum log_level level)
{
    return level <= log_state.level;
}

void log_say(enum log_level level, const char *subject, const char *fmt, ...)
{
    if (!log_wanted(level)) return;
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    (void)pthread_mutex_lock(&log_state.lock);
    for (int i = 0; i < SINKS_MAX; i++) {
        if (log_state.sink[i].run)
            log_state.sink[i].run(log_state.sink[i].ctx, level, subject, line);
    }
    (void)pthread_mutex_unlock(&log_state.lock);
}

static const char *mark_of(enum log_level level)
{
    return level == LOG_ERROR ? "error: " : level == LOG_WARN ? "warning: " : "";
}

void log_to_stderr(void *ctx, enum log_level level, const char *subject, const char *line)
{
    (void)ctx;
    struct timespec t;
    struct tm tm;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    (void)localtime_r(&t.tv_sec, &tm);
    (void)fprintf(stderr, "%02d:%02d:%02d.%03ld %s: %s%s\n", tm.tm_hour, tm.tm_min, tm.tm_sec,
                  t.tv_nsec / 1000000, subject, mark_of(level), line);
}

void log_to_journal(void *ctx, enum log_level level, const char *subject, const char *line)
{
    (void)ctx;
    static const char priority[] = {[LOG_ERROR] = '3',
                                    [LOG_WARN] = '4',
                                    [LOG_STORY] = '6',
                                    [LOG_INFO] = '6',
                                    [LOG_DEBUG] = '7'};
    (void)fprintf(stderr, "<%c>%s: %s%s\n", priority[level], subject, mark_of(level), line);
}

log_sink_t *log_stderr_sink(void)
{
    char here[64];
    struct stat st;
    const char *journal = getenv("JOURNAL_STREAM");
    if (!journal || fstat(STDERR_FILENO, &st) != 0) return log_to_stderr;
    (void)snprintf(here, sizeof here, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return strcmp(here, journal) == 0 ? log_to_journal : log_to_stderr;
}
