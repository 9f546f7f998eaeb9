#include "daemon/crl_keep.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/words.h"

static bool write_all(int fd, span_t bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.at, bytes.len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes = span(bytes.at + n, bytes.len - (size_t)n);
    }
    return true;
}

// Two threads may have fetched the same list: each has a file of its own to write, with a name
// that readers of the folder pass over.
static bool replace(const char *folder, const char *path, span_t bytes)
{
    char fresh[PATH_MAX];
    int n = snprintf(fresh, sizeof fresh, "%s/.crl-XXXXXX", folder);
    if (n < 0 || n >= (int)sizeof fresh) return errno = ENAMETOOLONG, false;
    int fd = mkstemp(fresh);
    if (fd < 0) return false;
    bool ok = write_all(fd, bytes) && fchmod(fd, 0644) == 0;
    ok = close(fd) == 0 && ok && rename(fresh, path) == 0;
    if (ok) return true;
    int why = errno;
    (void)unlink(fresh);
    errno = why;
    return false;
}

void crl_keep(void *ctx, span_t key_id, bool delta, span_t der)
{
    const char *folder = ctx;
    char id[2 * CRL_KEEP_ID_MAX + 1], path[PATH_MAX];
    if (key_id.len == 0 || key_id.len > CRL_KEEP_ID_MAX) return;
    for (size_t i = 0; i < key_id.len; i++) (void)snprintf(id + 2 * i, 3, "%02x", key_id.at[i]);
    int n = snprintf(path, sizeof path, "%s/%s%s.crl", folder, id, delta ? "_delta" : "");
    bool fits = n > 0 && n < (int)sizeof path;
    if (!fits) errno = ENAMETOOLONG;
    if (fits && replace(folder, path, der)) {
        log_say(LOG_STORY, "cert", SAY_CRL_WRITTEN, path, der.len);
        return;
    }
    log_say(LOG_WARN, "cert", "the CRL is not kept in %s: %s (charon.cache_crls)", folder,
            strerror(errno));
}
