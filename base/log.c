#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

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

void log_to_stderr(void *ctx, enum log_level level, const char *subject, const char *line)
{
    (void)ctx;
    static const char *const mark[] = {[LOG_ERROR] = "error: ",
                                       [LOG_WARN] = "warning: ",
                                       [LOG_STORY] = "",
                                       [LOG_INFO] = "",
                                       [LOG_DEBUG] = ""};
    struct timespec t;
    struct tm tm;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    (void)localtime_r(&t.tv_sec, &tm);
    (void)fprintf(stderr, "%02d:%02d:%02d.%03ld %s: %s%s\n", tm.tm_hour, tm.tm_min, tm.tm_sec,
                  t.tv_nsec / 1000000, subject, mark[level], line);
}
