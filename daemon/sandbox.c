#include "daemon/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/sandbox_calls.h"

#define CAPS_MAX 64

static err_t failed(struct why *why, const char *what)
{
    return why_not(why, ERR_SYSTEM, "sandbox: %s: %s", what, strerror(errno));
}

// ---- capabilities ----

static err_t caps_keep(uint64_t keep, struct why *why)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    // The bounding set first, as it takes CAP_SETPCAP. Who lacks that has not much to give away.
    for (unsigned cap = 0; cap < CAPS_MAX && prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
        if (!(keep >> cap & 1)) (void)prctl(PR_CAPBSET_DROP, cap);
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capget, &head, data) != 0) return failed(why, "capget");
    for (unsigned i = 0; i < 2; i++) {
        data[i].permitted &= (uint32_t)(keep >> 32 * i);
        data[i].effective = data[i].permitted;
        data[i].inheritable = 0;
    }
    return syscall(SYS_capset, &head, data) == 0 ? ERR_OK : failed(why, "capset");
}

// ---- files ----

// Rights of Linux 5.13; to shorten a file (5.19) and to command devices (6.10) stay allowed.
#define WRITING                                                                                    \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                               \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |   \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

static err_t allow_path(int rules, const char *path, struct why *why)
{
    struct stat st;
    struct landlock_path_beneath_attr below = {.allowed_access = WRITING};
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        if (fd >= 0) (void)close(fd);
        return ERR_OK; // not there: nothing to be written
    }
    if (!S_ISDIR(st.st_mode)) below.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE;
    below.parent_fd = fd;
    long done = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0);
    err_t e = done == 0 ? ERR_OK : failed(why, path);
    (void)close(fd);
    return e;
}

static err_t files_limit(const struct sandbox_conf *conf, struct why *why)
{
    const struct landlock_ruleset_attr all = {.handled_access_fs = WRITING};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    if (rules < 0) {
        log_say(LOG_INFO, "sandbox", "the kernel cannot limit what is written (landlock): %s",
                strerror(errno));
        return ERR_OK;
    }
    err_t e = ERR_OK;
    for (unsigned i = 0; i < SANDBOX_PATHS_MAX && e == ERR_OK; i++) {
        if (conf->writable[i]) e = allow_path(rules, conf->writable[i], why);
    }
    if (e == ERR_OK && syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        e = failed(why, "landlock_restrict_self");
    (void)close(rules);
    return e;
}

const char *sandbox_folder(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash) return ".";
    if (slash == path) return "/";
    *slash = 0;
    return path;
}

// ---- all of it ----

err_t sandbox_enter(const struct sandbox_conf *conf, struct why *why)
{
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed(why, "no_new_privs");
    TRY(caps_keep(conf->caps, why));
    TRY(files_limit(conf, why));
    return sandbox_calls_limit(conf->programs, why);
}
