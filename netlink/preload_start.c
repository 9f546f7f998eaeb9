// preload_start.c - PAVISE_AUTOSTART=1: where no pavise-xfrmd listens, one is started, in the
// network namespace of the caller. It ends by itself when it holds nothing and nobody is connected.
// Two programs may start one at the same time: the second pavise-xfrmd finds the name of the first
// one's socket taken and ends.
//
// The caller may have threads, may wait for its children and may hold secrets: the new process gets
// two arguments, an environment of its own and no descriptor, and is a child of nobody here.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "netlink/preload.h"

#define AGAIN_MS 2000 // between two starts, so that one that fails is not repeated without end
#define IDLE_SECONDS "10"
#define LOG_FILE "/var/log/pavise-xfrmd.log"
#define PROGRAM "pavise-xfrmd"
#define PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define PATH_LEN 512
#define ARGS_MAX 12
#define SIGNALS 64

bool start_wanted(void)
{
    const char *on = secure_getenv("PAVISE_AUTOSTART");
    return on && strcmp(on, "1") == 0 && geteuid() == 0; // it serves root, and needs what root may
}

// ---- which program, with what ----

static bool runs(const char *path)
{
    return access(path, X_OK) == 0;
}

static bool find_in_path(char out[PATH_LEN])
{
    const char *list = secure_getenv("PATH");
    for (const char *at = list ? list : PATH; *at;) {
        int n = (int)strcspn(at, ":");
        int len = snprintf(out, PATH_LEN, "%.*s/" PROGRAM, n, at);
        // A relative place would be one that others can write to.
        if (*at == '/' && len < PATH_LEN && runs(out)) return true;
        at += n + (at[n] == ':');
    }
    return false;
}

static bool find_program(char out[PATH_LEN])
{
    const char *named = secure_getenv("PAVISE_XFRMD");
    const char *path = named && *named ? named : PAVISE_SBINDIR "/" PROGRAM;
    int n = snprintf(out, PATH_LEN, "%s", path);
    if (n < PATH_LEN && runs(out)) return true;
    return path != named && find_in_path(out);
}

static void add_option(char **argv, unsigned *n, const char *option, const char *variable)
{
    char *value = secure_getenv(variable);
    if (!value || !*value) return;
    argv[(*n)++] = (char *)(uintptr_t)option; // execve() does not write to it
    argv[(*n)++] = value;
}

static void arguments(char *path, char *argv[ARGS_MAX])
{
    static char idle[] = "--exit-when-idle", seconds[] = IDLE_SECONDS;
    unsigned n = 0;
    argv[n++] = path;
    argv[n++] = idle;
    argv[n++] = seconds;
    add_option(argv, &n, "--socket", "PAVISE_XFRM_SOCKET");
    add_option(argv, &n, "--port", "PAVISE_NATT_PORT");
    add_option(argv, &n, "--fwmark", "PAVISE_FWMARK");
    argv[n] = NULL;
}

// A file under a number that is not one of the three that it shall get.
static int open_high(const char *path, int flags)
{
    int fd = REAL(open)(path, flags | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0 || fd > 2) return fd;
    int high = REAL(fcntl)(fd, F_DUPFD_CLOEXEC, 3);
    (void)REAL(close)(fd);
    return high;
}

static int open_log(void)
{
    const char *path = secure_getenv("PAVISE_XFRMD_LOG");
    if (!path || !*path) path = LOG_FILE;
    int fd = open_high(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW);
    return fd >= 0 ? fd : open_high("/dev/null", O_WRONLY);
}

// ---- the new process: only system calls, for other threads may have held any lock ----

// A copy of this process that its parent gets no SIGCHLD for.
static long fork_quietly(void)
{
    return syscall(SYS_clone, 0UL, NULL, NULL, NULL, 0UL);
}

static void reset_signals(void)
{
    const struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int s = 1; s <= SIGNALS; s++) (void)sigaction(s, &standard, NULL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become(char **argv, int null, int log)
{
    static char path[] = "PATH=" PATH;
    char *const environment[] = {path, NULL};
    (void)syscall(SYS_setsid);
    reset_signals();
    (void)syscall(SYS_dup3, null, 0, 0);
    (void)syscall(SYS_dup3, log, 1, 0);
    (void)syscall(SYS_dup3, log, 2, 0);
    if (syscall(SYS_close_range, 3U, ~0U, 0U) != 0) {
        for (int fd = 3; fd < (int)sysconf(_SC_OPEN_MAX); fd++) (void)syscall(SYS_close, fd);
    }
    if (chdir("/") != 0) _exit(1);
    (void)syscall(SYS_umask, 0022);
    (void)execve(argv[0], argv, environment);
    _exit(1);
}

static int launch(char **argv)
{
    int status = 0, null = open_high("/dev/null", O_RDONLY), log = open_log();
    long child = null >= 0 && log >= 0 ? fork_quietly() : -1;
    if (child == 0) {
        long grandchild = fork_quietly();
        if (grandchild == 0) become(argv, null, log);
        _exit(grandchild < 0);
    }
    if (null >= 0) (void)REAL(close)(null);
    if (log >= 0) (void)REAL(close)(log);
    if (child < 0) return EAGAIN;
    while (waitpid((pid_t)child, &status, __WALL) < 0) {
        if (errno != EINTR) return ECHILD;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : EAGAIN;
}

// One start in a while, whoever asks.
static bool is_due(void)
{
    static _Atomic(int64_t) last;
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    int64_t now = ts.tv_sec * 1000 + ts.tv_nsec / 1000000, before = atomic_load(&last);
    if (before && now - before < AGAIN_MS) return false;
    return atomic_compare_exchange_strong(&last, &before, now);
}

int start_xfrmd(void)
{
    char path[PATH_LEN], *argv[ARGS_MAX];
    if (!is_due()) return EAGAIN;
    if (!find_program(path)) {
        preload_say("PAVISE_AUTOSTART: there is no " PROGRAM " to start; name it in PAVISE_XFRMD",
                    path);
        return ENOENT;
    }
    arguments(path, argv);
    return launch(argv);
}
