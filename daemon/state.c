#include "daemon/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool path_of(char path[PATH_MAX], const char *dir, const char *file, const char *suffix)
{
    int n = snprintf(path, PATH_MAX, "%s/%s%s", dir, file, suffix);
    return n > 0 && n < PATH_MAX;
}

err_t state_folder(const char *dir, struct why *why)
{
    struct stat st;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return why_not(why, ERR_SYSTEM, "cannot make the folder %s: %s", dir, strerror(errno));
    }
    if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode)) return ERR_OK;
    return why_not(why, ERR_SYSTEM, "%s is not a folder", dir);
}

static err_t read_fd(int fd, struct text *out)
{
    char buf[8192];
    for (;;) {
        ssize_t n = read(fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ERR_SYSTEM;
        if (n == 0) return ERR_OK;
        if (memchr(buf, 0, (size_t)n)) return ERR_SYNTAX;
        size_t want = out->len + (size_t)n;
        if (want > STATE_FILE_MAX) return ERR_LIMIT;
        text_add(out, "%.*s", (int)n, buf);
        if (out->len != want) return ERR_NOMEM;
    }
}

err_t state_read(const char *dir, const char *file, struct text *out, struct why *why)
{
    char path[PATH_MAX];
    if (!path_of(path, dir, file, "")) return why_not(why, ERR_RANGE, "%s: too long a path", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        err_t e = errno == ENOENT ? ERR_NOTFOUND : ERR_SYSTEM;
        return why_not(why, e, "cannot read %s: %s", path, strerror(errno));
    }
    err_t e = read_fd(fd, out);
    (void)close(fd);
    return e == ERR_OK ? ERR_OK : why_not(why, e, "cannot read %s: %s", path, err_text(e));
}

static bool write_all(int fd, const struct text *t)
{
    for (size_t at = 0; at < t->len;) {
        ssize_t n = write(fd, t->at + at, t->len - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}

// Written beside and moved into its place. No waiting for the disk: the loop has better things to
// do, and a file that a power failure has cut short is noticed when it is read.
err_t state_write(const char *dir, const char *file, const struct text *text, struct why *why)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    if (!path_of(path, dir, file, "") || !path_of(fresh, dir, file, ".new")) {
        return why_not(why, ERR_RANGE, "%s: too long a path", dir);
    }
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return why_not(why, ERR_SYSTEM, "cannot write %s: %s", fresh, strerror(errno));
    }
    bool ok = write_all(fd, text);
    ok = close(fd) == 0 && ok && rename(fresh, path) == 0;
    if (ok) return ERR_OK;
    err_t e = why_not(why, ERR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
    (void)unlink(fresh);
    return e;
}

void state_put_aside(const char *dir, const char *file)
{
    char path[PATH_MAX], bad[PATH_MAX];
    if (!path_of(path, dir, file, "") || !path_of(bad, dir, file, ".bad")) return;
    (void)rename(path, bad); // if not even that works, it will be overwritten
}
