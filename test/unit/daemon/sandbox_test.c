// What is left to a process after sandbox_enter(): each question is asked in a child of its own,
// since there is no way back.
#include "daemon/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/check.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#define NOT_HERE 77 // the kernel or this build cannot

static char dir[] = "/tmp/pavise-sandbox-XXXXXX";
static char inside[64], outside[64];

// The line after `key` in /proc/self/status, in hex.
static uint64_t status_of(const char *key)
{
    char line[256];
    unsigned long long v = UINT64_MAX;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f)) {
        if (!strncmp(line, key, strlen(key))) (void)sscanf(line + strlen(key), ": %llx", &v);
    }
    if (f) (void)fclose(f);
    return v;
}

static void enter(bool programs)
{
    struct why why = {0};
    const struct sandbox_conf conf = {.caps = SANDBOX_CAP(NET_ADMIN) | SANDBOX_CAP(NET_RAW),
                                      .programs = programs,
                                      .writable = {inside, NULL, "/no/such/place"}};
    if (sandbox_enter(&conf, &why) == ERR_OK) return;
    (void)fprintf(stderr, "# %s\n", why.text);
    _exit(2);
}

// Runs the question in a child; its answer is the exit status.
static int asked(int (*question)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) _exit(question());
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void holds(int (*question)(void))
{
    int answer = asked(question);
    if (answer == NOT_HERE) {
        print_message("# not in this build, or not in this kernel\n");
        return;
    }
    CHECK_EQ(answer, 0);
}

#define NEED(cond)                                                  \
    do {                                                            \
        if (cond) break;                                            \
        (void)fprintf(stderr, "# not so: %s (%d)\n", #cond, errno); \
        return 1;                                                   \
    } while (0)

// ---- the questions ----

static int ask_caps(void)
{
    const uint64_t keep = SANDBOX_CAP(NET_ADMIN) | SANDBOX_CAP(NET_RAW);
    uint64_t before = status_of("CapPrm"), bound = status_of("CapBnd");
    enter(false);
    NEED(status_of("CapEff") == (before & keep) && status_of("CapPrm") == (before & keep));
    NEED(status_of("CapInh") == 0 && status_of("CapAmb") == 0);
    NEED(!(before & SANDBOX_CAP(SETPCAP)) || status_of("CapBnd") == (bound & keep));
    NEED(status_of("NoNewPrivs") == 1);
    NEED(chown(inside, 1, 1) != 0 && errno == EPERM);
    return 0;
}

static int ask_core(void)
{
    struct rlimit limit;
    enter(false);
    NEED(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0);
    return 0;
}

static bool can_make(const char *folder)
{
    char path[96];
    (void)snprintf(path, sizeof path, "%s/new", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) (void)close(fd);
    return fd >= 0;
}

static int ask_files(void)
{
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 0) return NOT_HERE;
    NEED(can_make(outside));
    enter(false);
    NEED(can_make(inside));
    NEED(open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0); // to read is nobody's harm
    char path[96];
    (void)snprintf(path, sizeof path, "%s/new", outside);
    NEED(open(path, O_WRONLY | O_CLOEXEC) < 0 && errno == EACCES);
    NEED(unlink(path) != 0 && mkdir(outside, 0700) != 0);
    return 0;
}

static int ask_calls(void)
{
    if (SANITIZED) return NOT_HERE;
    enter(false);
    NEED(unshare(CLONE_NEWUSER) != 0 && errno == EPERM);
    NEED(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) < 0 && errno == EPERM);
    NEED(ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 && errno == EPERM);
    NEED(syscall(SYS_bpf, 0, NULL, 0) < 0 && errno == EPERM);
    NEED(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EAFNOSUPPORT);
    NEED(socket(AF_ALG, SOCK_SEQPACKET, 0) < 0 && errno == EAFNOSUPPORT);
    NEED(socket(AF_INET6, SOCK_DGRAM, 0) >= 0 && socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
    (void)execl("/bin/true", "true", (char *)NULL);
    NEED(errno == EPERM);
    return 0;
}

static void *nothing(void *arg)
{
    return arg;
}

static int ask_rest(void) // what must go on as before
{
    char *const argv[] = {(char[]){"true"}, NULL};
    pthread_t thread;
    pid_t pid;
    int status = 1;
    enter(true);
    NEED(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
    NEED(posix_spawnp(&pid, "true", NULL, NULL, argv, NULL) == 0);
    NEED(waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}

#define QUESTION(name, ask)        \
    static void name(void **state) \
    {                              \
        (void)state;               \
        holds(ask);                \
    }
QUESTION(capabilities_are_given_away_for_good, ask_caps)
QUESTION(no_core_is_dumped, ask_core)
QUESTION(files_are_written_only_where_agreed, ask_files)
QUESTION(strange_system_calls_are_refused, ask_calls)
QUESTION(threads_and_programs_still_start, ask_rest)

static void a_folder_is_what_stands_before_the_last_slash(void **state)
{
    (void)state;
    char a[] = "/run/pavise/vici", b[] = "/vici", c[] = "vici";
    CHECK_STR(sandbox_folder(a), "/run/pavise");
    CHECK_STR(sandbox_folder(b), "/");
    CHECK_STR(sandbox_folder(c), ".");
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir)) return -1;
    (void)snprintf(inside, sizeof inside, "%s/inside", dir);
    (void)snprintf(outside, sizeof outside, "%s/outside", dir);
    return mkdir(inside, 0700) || mkdir(outside, 0700);
}

static int teardown(void **state)
{
    (void)state;
    char path[96];
    const char *const folders[] = {inside, outside};
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/new", folders[i]);
        (void)unlink(path);
        (void)rmdir(folders[i]);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capabilities_are_given_away_for_good),
        cmocka_unit_test(no_core_is_dumped),
        cmocka_unit_test(files_are_written_only_where_agreed),
        cmocka_unit_test(strange_system_calls_are_refused),
        cmocka_unit_test(threads_and_programs_still_start),
        cmocka_unit_test(a_folder_is_what_stands_before_the_last_slash),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
