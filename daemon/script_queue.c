#include "daemon/script_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/scripts.h"

#define VARIABLES_MAX 128

struct request {
    struct request *next;
    size_t len;
    char bytes[]; // command and variables, each with its terminator
};

struct queue {
    int fd;
    const char *path;
    char **allowed; // ends with NULL
    struct request *first, **last;
    unsigned waiting;
    bool over; // the daemon has gone
    pid_t pid; // of the script that runs; 0 = none
    int out;   // what it prints
    uint64_t until;
    char line[SCRIPT_LINE_MAX];
    size_t line_len;
};

// ---- what may run ----

static void allowed_free(char **list)
{
    for (unsigned i = 0; list && list[i]; i++) free(list[i]);
    free((void *)list);
}

static char **allowed_by(const struct config *c)
{
    unsigned n = 0, at = 0;
    for (unsigned i = 0; i < c->conn_n; i++) n += c->conn[i].child_n;
    char **list = calloc(n + 1, sizeof *list);
    for (unsigned i = 0; list && i < c->conn_n; i++) {
        for (unsigned k = 0; k < c->conn[i].child_n; k++) {
            const char *script = c->conn[i].child[k].updown;
            if (script && (list[at] = strdup(script)) != NULL) at++;
        }
    }
    return list;
}

static void allow_anew(struct queue *q)
{
    struct config *c = NULL;
    if (config_load_outline(q->path, &c) != ERR_OK) return;
    char **list = allowed_by(c);
    config_free(c);
    if (!list) return;
    allowed_free(q->allowed);
    q->allowed = list;
}

static bool is_allowed(const struct queue *q, const char *command)
{
    for (unsigned i = 0; q->allowed[i]; i++) {
        if (strcmp(q->allowed[i], command) == 0) return true;
    }
    return false;
}

// ---- what is said about it ----

__attribute__((format(printf, 2, 3))) static void complain(const struct queue *q, const char *fmt,
                                                           ...)
{
    char line[SCRIPT_LINE_MAX] = {SCRIPT_TROUBLE};
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(line + 1, sizeof line - 1, fmt, args);
    va_end(args);
    (void)send(q->fd, line, strlen(line), MSG_NOSIGNAL);
}

static void say_ran(const struct queue *q)
{
    const char word = SCRIPT_RAN;
    (void)send(q->fd, &word, 1, MSG_NOSIGNAL);
}

static void flush_line(struct queue *q)
{
    if (q->line_len == 0) return;
    char line[SCRIPT_LINE_MAX + 1] = {SCRIPT_SAYS};
    memcpy(line + 1, q->line, q->line_len);
    (void)send(q->fd, line, 1 + q->line_len, MSG_NOSIGNAL);
    q->line_len = 0;
}

static void hear(struct queue *q, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\n' || q->line_len == sizeof q->line - 1) flush_line(q);
        // What a terminal would obey stays out of the log.
        if (s[i] != '\n') q->line[q->line_len++] = s[i] < ' ' && s[i] != '\t' ? '?' : s[i];
    }
}

// ---- running ----

_Noreturn static void exec_script(const struct request *r, int out)
{
    char *env[VARIABLES_MAX + 2];
    unsigned n = 0;
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    static const int reset[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    size_t at = strlen(r->bytes) + 1;
    while (at < r->len && n < VARIABLES_MAX) {
        env[n++] = (char *)(uintptr_t)(r->bytes + at);
        at += strlen(r->bytes + at) + 1;
    }
    env[n++] = path;
    env[n] = NULL;
    for (unsigned i = 0; i < sizeof reset / sizeof *reset; i++) (void)signal(reset[i], SIG_DFL);
    int nothing = open("/dev/null", O_RDONLY);
    (void)setsid(); // a script that hangs is killed with all that it has started
    (void)dup2(nothing, STDIN_FILENO);
    (void)dup2(out, STDOUT_FILENO);
    (void)dup2(out, STDERR_FILENO);
    (void)execle("/bin/sh", "sh", "-c", r->bytes, (char *)NULL, env);
    _exit(127);
}

// false: it does not run, which was said.
static bool run(struct queue *q, const struct request *r)
{
    int pipes[2];
    if (!is_allowed(q, r->bytes)) {
        complain(q, "not run: the configuration names no updown script '%.200s'", r->bytes);
        return false;
    }
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        complain(q, "not run: %.200s: %s", r->bytes, strerror(errno));
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) exec_script(r, pipes[1]);
    (void)close(pipes[1]);
    if (pid < 0) {
        complain(q, "not run: %.200s: %s", r->bytes, strerror(errno));
        (void)close(pipes[0]);
        return false;
    }
    q->pid = pid;
    q->out = pipes[0];
    q->until = clock_mono() + SCRIPT_SECONDS * NSEC_PER_SEC;
    return true;
}

static void run_next(struct queue *q)
{
    while (q->first && q->pid == 0) {
        struct request *r = q->first;
        q->first = r->next;
        if (!q->first) q->last = &q->first;
        q->waiting--;
        if (!run(q, r)) say_ran(q);
        free(r);
    }
}

static void ended(struct queue *q, bool in_time)
{
    int status = 0;
    flush_line(q);
    if (!in_time) (void)kill(-q->pid, SIGKILL);
    (void)waitpid(q->pid, &status, 0);
    (void)close(q->out);
    q->pid = 0;
    q->out = -1;
    if (!in_time) {
        complain(q, "a script took longer than %u s and was killed", SCRIPT_SECONDS);
    } else if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        complain(q, "a script ended with exit status %d", WEXITSTATUS(status));
    } else if (WIFSIGNALED(status)) {
        complain(q, "a script was ended by signal %d", WTERMSIG(status));
    }
    say_ran(q);
}

// A script that has closed its output has ended, or means to go on in the background.
static void listen_to_script(struct queue *q)
{
    char some[SCRIPT_LINE_MAX];
    ssize_t n = read(q->out, some, sizeof some);
    if (n > 0) {
        hear(q, some, (size_t)n);
    } else if (n == 0 || errno != EINTR) {
        ended(q, true);
    }
}

// ---- requests ----

static void take_request(struct queue *q)
{
    static char bytes[SCRIPT_BYTES_MAX + 1];
    ssize_t n = recv(q->fd, bytes, SCRIPT_BYTES_MAX, 0);
    if (n <= 0) {
        q->over = n == 0 || errno != EINTR;
        return;
    }
    if (bytes[0] == 'r') {
        allow_anew(q);
        return;
    }
    if (q->waiting == SCRIPT_WAITING_MAX) {
        complain(q, "not run: %u scripts are waiting already", q->waiting);
        say_ran(q);
        return;
    }
    struct request *r = malloc(sizeof *r + (size_t)n);
    if (!r) {
        say_ran(q);
        return;
    }
    *r = (struct request){.len = (size_t)n - 1};
    memcpy(r->bytes, bytes + 1, r->len);
    r->bytes[r->len] = '\0';
    *q->last = r;
    q->last = &r->next;
    q->waiting++;
}

static int wait_ms(const struct queue *q)
{
    if (q->pid == 0) return -1;
    uint64_t now = clock_mono();
    return now >= q->until ? 0 : (int)((q->until - now) / NSEC_PER_MSEC) + 1;
}

// Waits for requests and for what the script that runs has to say. False: nothing more can come.
static bool serve_once(struct queue *q)
{
    struct pollfd p[] = {{.fd = q->over ? -1 : q->fd, .events = POLLIN},
                         {.fd = q->out, .events = POLLIN}};
    int n = poll(p, 2, wait_ms(q));
    if (n < 0) return errno == EINTR;
    if (p[0].revents) take_request(q);
    if (p[1].revents) listen_to_script(q);
    if (q->pid && clock_mono() >= q->until) ended(q, false);
    return true;
}

int script_queue_serve(int fd, const char *path, const struct config *config)
{
    struct queue q = {.fd = fd, .path = path, .allowed = allowed_by(config), .out = -1};
    bool well = q.allowed != NULL;
    q.last = &q.first;
    while (well && (!q.over || q.pid || q.first)) {
        run_next(&q);
        if (!q.over || q.pid) well = serve_once(&q);
    }
    allowed_free(q.allowed);
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}
