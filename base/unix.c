#include "base/unix.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 8 // connections that have not been looked at yet

err_t unix_address(const char *name, struct sockaddr_un *out, socklen_t *len, struct why *why)
{
    size_t n = strlen(name);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (n == 0 || n >= sizeof out->sun_path)
        return why_not(why, ERR_RANGE, "'%s': a socket's name has 1 to %zu bytes", name,
                       sizeof out->sun_path - 1);
    memcpy(out->sun_path, name, n);
    if (name[0] == '@') out->sun_path[0] = 0;
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    return ERR_OK;
}

err_t unix_bind(const char *name, int type, int *out, struct why *why)
{
    struct sockaddr_un at;
    socklen_t len;
    TRY(unix_address(name, &at, &len, why));
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&at, len) == 0 &&
        (type == SOCK_DGRAM || listen(fd, BACKLOG) == 0)) {
        *out = fd;
        return ERR_OK;
    }
    int e = errno;
    if (fd >= 0) (void)close(fd);
    return why_not(why, ERR_SYSTEM, "socket %s: %s", name, strerror(e));
}

bool unix_peer_is_root(int fd)
{
    struct ucred who;
    socklen_t len = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == 0;
}

void unix_unbind(int fd, const char *name)
{
    if (fd < 0) return;
    (void)close(fd);
    if (name[0] != '@') (void)unlink(name);
}
