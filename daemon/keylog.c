#include "daemon/keylog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"

struct keylog {
    int dir;
    bool failed; // said so already
};

err_t keylog_open(const char *dir, struct keylog **out, struct why *why)
{
    struct keylog *k = calloc(1, sizeof *k);
    if (!k) return why_not(why, ERR_NOMEM, "keylog: %s", err_text(ERR_NOMEM));
    k->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (k->dir < 0) {
        err_t e = errno == ENOENT || errno == ENOTDIR ? ERR_NOTFOUND : ERR_SYSTEM;
        (void)why_not(why, e, "keylog directory %s: %s", dir, strerror(errno));
        free(k);
        return e;
    }
    *out = k;
    return ERR_OK;
}

void keylog_close(struct keylog *k)
{
    if (!k) return;
    (void)close(k->dir);
    free(k);
}

// Is it a plain file that only its owner reads? An older one with a wider mode is narrowed.
static bool is_private(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) return false;
    return (st.st_mode & 077) == 0 || fchmod(fd, 0600) == 0;
}

static bool append(const struct keylog *k, const char *file, const char *line)
{
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = openat(k->dir, file, flags, 0600);
    if (fd < 0) return false;
    size_t len = strlen(line);
    char newline[] = "\n";
    char *text = strdup(line); // writev() wants it writable
    struct iovec v[] = {{text, len}, {newline, 1}};
    bool ok = text && is_private(fd) && writev(fd, v, 2) == (ssize_t)len + 1;
    if (text) explicit_bzero(text, len);
    free(text);
    (void)close(fd);
    return ok;
}

void keylog_line(struct keylog *k, const char *file, const char *line)
{
    static const char *const files[] = {"ikev2_decryption_table", "esp_sa", "pavise_auth",
                                        "pavise_ike", "pavise_esp"};
    const unsigned n = sizeof files / sizeof *files;
    unsigned i = 0;
    while (i < n && strcmp(file, files[i]) != 0) i++;
    if (i == n) return;
    if (append(k, file, line) || k->failed) return;
    k->failed = true;
    log_say(LOG_ERROR, "keylog", "%s cannot be written: %s", file, strerror(errno));
}
