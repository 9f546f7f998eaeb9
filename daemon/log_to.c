#include "daemon/log_to.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

struct log_target {
    log_sink_t *say;
    enum log_level level;
    bool charons; // levels by group, and lines as charon writes them
    _Atomic(signed char) group_level[LOG_GROUPS];
    const char *time_format;
    bool milliseconds, names;
    char *path;     // of a file
    const char *at; // path or facility, as strongswan.conf says it
    int fd;
    unsigned facility; // as syslog(3) counts them
    const char *ident;
    uint64_t deaf_until; // monotonic ns
};

static const char *const level_names[] = {"error", "warn", "story", "info", "debug", NULL};
static const char *const facility_names[] = {"kern", "user", "mail", "daemon", "auth", NULL};
#define FACILITY_DAEMON 3
#define FACILITY_AUTHPRIV 10
#define FACILITY_LOCAL0 16

// Of the process, like the sinks that they serve.
#define TARGETS_MAX (LOG_TARGETS_MAX + LOG_PLANS_MAX)
static struct log_target targets[TARGETS_MAX];
static unsigned target_n;
static unsigned option_n;               // of them by log_to()
static enum log_level most = LOG_ERROR; // of all targets

err_t log_level_read(const char *option, const char *s, enum log_level *out, struct why *why)
{
    for (unsigned i = 0; level_names[i]; i++) {
        if (strcmp(s, level_names[i]) != 0) continue;
        *out = (enum log_level)i; // the names stand in the order of the enum
        return ERR_OK;
    }
    return why_not(why, ERR_SYNTAX, "%s takes error, warn, story, info or debug, not '%s'", option,
                   s);
}

// ---- which lines ----

static enum log_group group_of(const char *subject)
{
    static const struct {
        const char *subject;
        enum log_group group;
    } known[] = {{"ike", LOG_IKE},  {"cert", LOG_CFG}, {"net", LOG_NET},
                 {"conf", LOG_CFG}, {"xfrm", LOG_KNL}, {"netlink", LOG_KNL},
                 {"vip", LOG_KNL},  {"dns", LOG_KNL},  {"routes", LOG_KNL}};
    size_t n = strlen(subject);
    if (n && subject[n - 1] == ']') return LOG_IKE; // "name[id]"
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].subject, subject) == 0) return known[i].group;
    }
    return LOG_DMN;
}

// charon's: 0 for what must be seen, 1 for the story, then more and more.
static int charons_level(enum log_level level)
{
    return level <= LOG_WARN ? 0 : (int)level - (int)LOG_WARN;
}

static bool is_wanted(const struct log_target *t, enum log_level level, const char *subject)
{
    if (!t->charons) return level <= t->level;
    return charons_level(level) <= atomic_load(&t->group_level[group_of(subject)]);
}

// The most that a target wants: what nobody wants is not even written.
static enum log_level most_of(const struct log_target *t)
{
    int level = -1;
    if (!t->charons) return t->level;
    for (unsigned i = 0; i < LOG_GROUPS; i++) {
        int one = atomic_load(&t->group_level[i]);
        if (one > level) level = one;
    }
    level += (int)LOG_WARN;
    return level > (int)LOG_DEBUG ? LOG_DEBUG : (enum log_level)level;
}

// ---- one line ----

static void write_all(int fd, const char *s, size_t n)
{
    (void)!write(fd, s, n); // a full disk must not stop the tunnels
}

static void say_plainly(void *ctx, enum log_level level, const char *subject, const char *line)
{
    const struct log_target *t = ctx;
    if (is_wanted(t, level, subject)) log_to_stderr(NULL, level, subject, line);
}

static void say_to_journal(void *ctx, enum log_level level, const char *subject, const char *line)
{
    const struct log_target *t = ctx;
    if (is_wanted(t, level, subject)) log_to_journal(NULL, level, subject, line);
}

// "NN[GRP] <name|id> line": there is one thread that counts.
static void charons_line(const struct log_target *t, const char *subject, const char *line,
                         struct text *out)
{
    static const char *const names[] = {"DMN", "IKE", "CFG", "KNL", "NET"};
    size_t name = strcspn(subject, "[");
    text_add(out, "01[%s] ", names[group_of(subject)]);
    if (t->names && subject[name]) {
        text_add(out, "<%.*s|%.*s> ", (int)name, subject, (int)strcspn(subject + name + 1, "]"),
                 subject + name + 1);
    }
    text_add(out, "%s", line);
}

// The format is the user's own.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static size_t show_time(const struct log_target *t, const time_t *now, char *buf, size_t cap)
{
    struct tm tm;
    return strftime(buf, cap, t->time_format, localtime_r(now, &tm));
}
#pragma GCC diagnostic pop

static void say_as_charon(void *ctx, enum log_level level, const char *subject, const char *line)
{
    const struct log_target *t = ctx;
    struct text out = {0};
    char when[64];
    struct timespec now;
    if (!is_wanted(t, level, subject)) return;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (t->time_format) {
        size_t n = show_time(t, &now.tv_sec, when, sizeof when);
        text_add(&out, "%.*s", (int)n, when);
        if (t->milliseconds) text_add(&out, ".%03ld", now.tv_nsec / 1000000);
        text_add(&out, " ");
    }
    charons_line(t, subject, line, &out);
    text_add(&out, "\n");
    write_all(t->fd, out.at, out.len);
    text_done(&out);
}

static void say_in_file(void *ctx, enum log_level level, const char *subject, const char *line)
{
    const struct log_target *t = ctx;
    struct text out = {0};
    char when[40];
    struct tm tm;
    time_t now = time(NULL);
    if (!is_wanted(t, level, subject)) return;
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S%z", localtime_r(&now, &tm));
    text_add(&out, "%s %s %s: %s\n", when, level_names[level], subject, line);
    write_all(t->fd, out.at, out.len);
    text_done(&out);
}

// NULL: out of memory, or a word is no UTF-8.
static json_t *json_line(enum log_level level, const char *subject, const char *line)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return json_pack("{s:f, s:s, s:s, s:s}", "time",
                     (double)now.tv_sec + 1e-9 * (double)now.tv_nsec, "level", level_names[level],
                     "subject", subject, "message", line);
}

static void say_in_json(void *ctx, enum log_level level, const char *subject, const char *line)
{
    const struct log_target *t = ctx;
    if (!is_wanted(t, level, subject)) return;
    json_t *j = json_line(level, subject, line);
    if (!j) {
        // Peers choose some of the words: no byte of theirs may keep a line out of the log.
        struct text plain = {0};
        for (const char *s = line; *s; s++) text_add(&plain, "%c", *s > 0 ? *s : '?');
        j = json_line(level, "?", text_str(&plain));
        text_done(&plain);
    }
    char *text = j ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(13)) : NULL;
    if (text) {
        struct text out = {0};
        text_add(&out, "%s\n", text);
        write_all(t->fd, out.at, out.len);
        text_done(&out);
    }
    free(text);
    json_decref(j);
}

#define PATIENCE 20                // milliseconds for a line, when whoever reads is behind
#define DEAF_NS (1 * NSEC_PER_SEC) // who did not read then is not waited for again so long

// Lines come in bursts, and the queue of /dev/log holds ten. But no tunnel waits for a logger that
// is stuck.
static void send_patiently(struct log_target *t, const struct sockaddr_un *to,
                           const struct text *line)
{
    for (unsigned i = 0;; i++) {
        ssize_t n = sendto(t->fd, line->at, line->len, MSG_DONTWAIT | MSG_NOSIGNAL,
                           (const struct sockaddr *)to, sizeof *to);
        bool full = n < 0 && (errno == EAGAIN || errno == ENOBUFS);
        if (!full || clock_mono() < t->deaf_until) return;
        if (i == PATIENCE) break;
        (void)poll(NULL, 0, 1);
    }
    t->deaf_until = clock_mono() + DEAF_NS;
}

// RFC 3164, as syslog(3) writes it.
static void say_in_syslog(void *ctx, enum log_level level, const char *subject, const char *line)
{
    static const unsigned severity[] = {
        [LOG_ERROR] = 3, [LOG_WARN] = 4, [LOG_STORY] = 5, [LOG_INFO] = 6, [LOG_DEBUG] = 7};
    static const struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    struct log_target *t = ctx;
    char when[32];
    struct tm tm;
    time_t now = time(NULL);
    struct text out = {0};
    if (!is_wanted(t, level, subject)) return;
    (void)strftime(when, sizeof when, "%b %e %H:%M:%S", localtime_r(&now, &tm));
    text_add(&out, "<%u>%s %s[%d]: ", t->facility << 3 | severity[level], when, t->ident,
             (int)getpid());
    if (t->charons) {
        charons_line(t, subject, line, &out);
    } else {
        text_add(&out, "%s: %s", subject, line);
    }
    send_patiently(t, &to, &out);
    text_done(&out);
}

// ---- targets ----

static err_t open_syslog(struct log_target *t, const char *facility, struct why *why)
{
    unsigned n;
    t->facility = FACILITY_DAEMON;
    t->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (t->fd < 0) return why_not(why, ERR_SYSTEM, "--log syslog: %s", strerror(errno));
    if (!*facility) return ERR_OK;
    for (unsigned i = 0; facility_names[i]; i++) {
        if (strcmp(facility, facility_names[i]) != 0) continue;
        t->facility = i;
        return ERR_OK;
    }
    if (strcmp(facility, "authpriv") == 0) {
        t->facility = FACILITY_AUTHPRIV;
        return ERR_OK;
    }
    if (strlen(facility) == 6 && sscanf(facility, "local%1u", &n) == 1 && n < 8) {
        t->facility = FACILITY_LOCAL0 + n;
        return ERR_OK;
    }
    return why_not(why, ERR_SYNTAX,
                   "--log syslog: no facility '%s'; there are kern, user, mail, daemon, auth, "
                   "authpriv and local0 to local7",
                   facility);
}

#define FILE_FLAGS (O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY)

static err_t open_file(struct log_target *t, const char *path, struct why *why)
{
    t->path = strdup(path);
    if (!t->path) return ERR_NOMEM;
    t->fd = open(path, FILE_FLAGS, 0600);
    if (t->fd >= 0) return ERR_OK;
    int e = errno;
    free(t->path);
    t->path = NULL;
    return why_not(why, ERR_SYSTEM, "--log: %s cannot be written: %s", path, strerror(e));
}

// What may follow a word of a target: nothing, or a colon and the rest.
static const char *rest_after(const char *s, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(s, word, n) != 0) return NULL;
    return s[n] == ':' ? s + n + 1 : s[n] == '\0' ? s + n : NULL;
}

static err_t open_target(struct log_target *t, const char *what, log_sink_t **sink, struct why *why)
{
    const char *rest;
    if (strcmp(what, "stderr") == 0) {
        *sink = log_stderr_sink() == log_to_journal ? say_to_journal : say_plainly;
        return ERR_OK;
    }
    if ((rest = rest_after(what, "syslog")) != NULL) {
        *sink = say_in_syslog;
        return open_syslog(t, rest, why);
    }
    if ((rest = rest_after(what, "file")) != NULL && *rest) {
        *sink = say_in_file;
        return open_file(t, rest, why);
    }
    if ((rest = rest_after(what, "json")) != NULL && *rest) {
        *sink = say_in_json;
        return open_file(t, rest, why);
    }
    return why_not(why, ERR_SYNTAX,
                   "--log takes stderr, syslog[:FACILITY], file:PATH or json:PATH, not '%s'", what);
}

static void say_to_all(void *ctx, enum log_level level, const char *subject, const char *line)
{
    (void)ctx;
    for (unsigned i = 0; i < target_n; i++) targets[i].say(&targets[i], level, subject, line);
}

static void target_add(log_sink_t *say, struct log_target *t)
{
    t->say = say;
    if (target_n++ == 0) log_add_sink(say_to_all, NULL);
    if (most_of(t) > most) most = most_of(t);
    log_set_level(most);
}

err_t log_to(const char *spec, const char *ident, enum log_level level, struct why *why)
{
    if (option_n == LOG_TARGETS_MAX)
        return why_not(why, ERR_LIMIT, "--log may be given %u times at most", LOG_TARGETS_MAX);
    struct log_target *t = &targets[target_n];
    *t = (struct log_target){.level = level, .fd = -1, .ident = ident};
    char *what = strdup(spec), *comma = what ? strrchr(what, ',') : NULL;
    if (!what) return ERR_NOMEM;
    log_sink_t *sink = NULL;
    err_t e = ERR_OK;
    if (comma) {
        *comma = '\0';
        e = log_level_read("--log", comma + 1, &t->level, why);
    }
    if (e == ERR_OK) e = open_target(t, what, &sink, why);
    free(what);
    if (e != ERR_OK) return e;
    target_add(sink, t);
    option_n++;
    return ERR_OK;
}

// ---- strongswan.conf ----

static void set_levels(struct log_target *t, const struct log_plan *p)
{
    for (unsigned i = 0; i < LOG_GROUPS; i++) atomic_store(&t->group_level[i], p->level[i]);
    t->charons = true;
    if (most_of(t) > most) most = most_of(t);
    log_set_level(most);
}

err_t log_to_plan(const struct log_plan *p, struct why *why)
{
    struct log_target *t = &targets[target_n];
    if (target_n == TARGETS_MAX) return why_not(why, ERR_LIMIT, "too many logs");
    *t = (struct log_target){.fd = -1,
                             .ident = p->ident,
                             .at = p->path ? p->path : p->facility,
                             .time_format = p->time_format,
                             .milliseconds = p->milliseconds,
                             .names = p->names};
    if (p->path) {
        TRY(open_file(t, p->path, why));
        if (!p->append) IGNORE(ftruncate(t->fd, 0) == 0 ? ERR_OK : ERR_SYSTEM); // a pipe, say
    } else {
        TRY(open_syslog(t, p->facility, why));
    }
    set_levels(t, p);
    target_add(p->path ? say_as_charon : say_in_syslog, t);
    return ERR_OK;
}

bool log_change_levels(const struct log_plan *p)
{
    const char *at = p->path ? p->path : p->facility;
    for (unsigned i = 0; i < target_n; i++) {
        struct log_target *t = &targets[i];
        bool same = at ? t->at && strcmp(t->at, at) == 0 : t->fd < 0;
        if (same) set_levels(t, p);
        if (same) return true;
    }
    return false;
}

bool log_folder(unsigned n, char *buf, size_t cap)
{
    for (unsigned i = 0; i < target_n; i++) {
        const char *path = targets[i].path, *slash = path ? strrchr(path, '/') : NULL;
        if (!path || n--) continue;
        size_t len = slash ? (size_t)(slash - path) : 0;
        (void)snprintf(buf, cap, "%.*s", (int)len, path);
        if (!len) (void)snprintf(buf, cap, "%s", slash ? "/" : ".");
        return true;
    }
    return false;
}

void log_reopen(void)
{
    for (unsigned i = 0; i < target_n; i++) {
        int fd = targets[i].path ? open(targets[i].path, FILE_FLAGS, 0600) : -1;
        if (fd < 0) continue;
        (void)dup3(fd, targets[i].fd, O_CLOEXEC); // whoever writes now writes to one or the other
        (void)close(fd);
    }
}
