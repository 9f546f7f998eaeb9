#include "daemon/scripts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/script_queue.h"

#define FAREWELL_SECONDS 10 // beyond the time that one script may take
#define SEND_SECONDS 1      // the process reads all the time; if not, something is very wrong
#define RELOAD 'r'
#define RUN 'x'

struct scripts {
    int fd;
    pid_t pid;
    struct loop_io *io;
    uint64_t asked, ran;
    void (*on_ran)(void *ctx);
    void *on_ran_ctx;
};

bool scripts_needed(const struct config *c)
{
    for (unsigned i = 0; i < c->conn_n; i++) {
        for (unsigned k = 0; k < c->conn[i].child_n; k++) {
            if (c->conn[i].child[k].updown) return true;
        }
    }
    return false;
}

// ---- the daemon's side ----

// What is not meant for the scripts must not stay open there.
_Noreturn static void become_runner(int fd, const char *path, const struct config *config)
{
    (void)prctl(PR_SET_NAME, "pavise-updown");
    (void)signal(SIGINT, SIG_IGN); // those of the daemon's terminal; it ends with the daemon
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    _exit(script_queue_serve(fd, path, config));
}

err_t scripts_start(const char *path, const struct config *config, struct scripts **out,
                    struct why *why)
{
    int pair[2];
    struct timeval limit = {.tv_sec = SEND_SECONDS};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return why_not(why, ERR_SYSTEM, "updown scripts: socketpair: %s", strerror(errno));
    struct scripts *s = calloc(1, sizeof *s);
    pid_t pid = s ? fork() : -1;
    if (pid == 0) {
        (void)close(pair[0]);
        become_runner(pair[1], path, config);
    }
    (void)close(pair[1]);
    if (pid < 0) {
        (void)close(pair[0]);
        free(s);
        return why_not(why, ERR_SYSTEM, "updown scripts: no process for them: %s", strerror(errno));
    }
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    *s = (struct scripts){.fd = pair[0], .pid = pid};
    *out = s;
    return ERR_OK;
}

static void have_run(struct scripts *s, uint64_t ran)
{
    s->ran = ran;
    if (s->on_ran) s->on_ran(s->on_ran_ctx);
}

// The first byte tells whether a script says it, or the process about one.
static void take_line(struct scripts *s, char *line, size_t n)
{
    line[n] = '\0';
    if (line[0] == SCRIPT_RAN) {
        have_run(s, s->ran + 1);
    } else {
        log_say(line[0] == SCRIPT_SAYS ? LOG_STORY : LOG_ERROR, "updown", "%s", line + 1);
    }
}

static void on_output(void *ctx, int fd, int events)
{
    char line[SCRIPT_LINE_MAX + 1];
    struct scripts *s = ctx;
    (void)events;
    ssize_t n = recv(fd, line, SCRIPT_LINE_MAX, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        log_say(LOG_ERROR, "updown",
                "the process that runs updown scripts has ended; restart "
                "pavise-iked to have them run again");
        loop_io_want(s->io, 0);
        have_run(s, s->asked); // nobody needs to wait any more
        return;
    }
    take_line(s, line, (size_t)n);
}

err_t scripts_listen(struct scripts *s, struct loop *loop)
{
    s->io = loop_io_new(loop, s->fd, LOOP_READ, on_output, s);
    return s->io ? ERR_OK : ERR_NOMEM;
}

void scripts_reload(struct scripts *s)
{
    const char word = RELOAD;
    if (send(s->fd, &word, 1, MSG_NOSIGNAL) != 1)
        log_say(LOG_ERROR, "updown", "updown scripts: %s", strerror(errno));
}

err_t scripts_run(struct scripts *s, const char *command, span_t variables)
{
    char word = RUN;
    size_t len = strlen(command) + 1;
    if (1 + len + variables.len > SCRIPT_BYTES_MAX) return ERR_LIMIT;
    // The pointers are only read from.
    struct iovec iov[] = {{&word, 1},
                          {(void *)(uintptr_t)command, len},
                          {(void *)(uintptr_t)variables.at, variables.len}};
    struct msghdr h = {.msg_iov = iov, .msg_iovlen = 3};
    if (sendmsg(s->fd, &h, MSG_NOSIGNAL) < 0) return ERR_SYSTEM;
    s->asked++;
    return ERR_OK;
}

uint64_t scripts_asked(const struct scripts *s)
{
    return s->asked;
}

uint64_t scripts_ran(const struct scripts *s)
{
    return s->ran;
}

void scripts_on_ran(struct scripts *s, void (*fn)(void *ctx), void *ctx)
{
    s->on_ran = fn;
    s->on_ran_ctx = ctx;
}

void scripts_free(struct scripts *s)
{
    if (!s) return;
    uint64_t end = clock_mono() + (SCRIPT_SECONDS + FAREWELL_SECONDS) * NSEC_PER_SEC;
    bool ended = false;
    loop_io_free(s->io);
    s->io = NULL;
    (void)shutdown(s->fd, SHUT_WR);
    // What they still say is read, or they would wait for us.
    while (!ended && clock_mono() < end) {
        char line[SCRIPT_LINE_MAX + 1];
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        if (poll(&p, 1, 1000) <= 0) continue;
        ssize_t n = recv(s->fd, line, SCRIPT_LINE_MAX, 0);
        ended = n <= 0;
        if (!ended) take_line(s, line, (size_t)n);
    }
    (void)close(s->fd);
    (void)waitpid(s->pid, NULL, ended ? 0 : WNOHANG); // it closes its end by exiting
    free(s);
}
