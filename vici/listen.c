#include "vici/listen.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64       // connections not yet accepted
#define SOCKET_MODE 0770 // owner and group, as strongSwan: who may connect may control the daemon

static err_t address_of(const char *path, struct sockaddr_un *out, struct why *why)
{
    size_t n = strlen(path);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (n == 0 || n >= sizeof out->sun_path) {
        return why_not(why, ERR_RANGE, "vici socket path must have 1 to %zu bytes: %s",
                       sizeof out->sun_path - 1, path);
    }
    memcpy(out->sun_path, path, n + 1);
    return ERR_OK;
}

// Removes what an earlier daemon left behind; refuses to touch anything else.
static err_t clear_way(const struct sockaddr_un *addr, int probe, struct why *why)
{
    struct stat st;
    if (lstat(addr->sun_path, &st) != 0) return ERR_OK; // bind() says the rest
    if (!S_ISSOCK(st.st_mode)) {
        return why_not(why, ERR_EXISTS, "%s exists and is not a socket", addr->sun_path);
    }
    // EAGAIN: a listener whose backlog is full.
    if (connect(probe, (const struct sockaddr *)addr, sizeof *addr) == 0 || errno == EAGAIN) {
        return why_not(why, ERR_EXISTS,
                       "another IKE daemon listens on %s; stop it or use --vici-socket",
                       addr->sun_path);
    }
    if (errno == ECONNREFUSED && unlink(addr->sun_path) == 0) return ERR_OK;
    return why_not(why, ERR_SYSTEM, "old socket %s cannot be replaced: %s", addr->sun_path,
                   strerror(errno));
}

static err_t bind_and_listen(struct vici_listener *l, const struct sockaddr_un *addr,
                             struct why *why)
{
    // The mode is on the socket before it gets its name, so nobody slips in between.
    bool ok = fchmod(l->fd, SOCKET_MODE) == 0 &&
              bind(l->fd, (const struct sockaddr *)addr, sizeof *addr) == 0;
    if (!ok) {
        return why_not(why, ERR_SYSTEM, "vici socket %s: %s", addr->sun_path, strerror(errno));
    }
    struct stat st;
    ok = lstat(addr->sun_path, &st) == 0;
    l->path = ok ? strdup(addr->sun_path) : NULL;
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    // Again by name, since the umask has been taken off.
    if (!l->path || chmod(addr->sun_path, SOCKET_MODE) != 0 || listen(l->fd, BACKLOG) != 0) {
        return why_not(why, ERR_SYSTEM, "vici socket %s: %s", addr->sun_path, strerror(errno));
    }
    return ERR_OK;
}

err_t vici_listen(const char *path, struct vici_listener *out, struct why *why)
{
    struct sockaddr_un addr;
    TRY(address_of(path, &addr, why));
    struct vici_listener l = {
        .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
    };
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    err_t e = l.fd >= 0 && probe >= 0
                  ? clear_way(&addr, probe, why)
                  : why_not(why, ERR_SYSTEM, "vici socket: %s", strerror(errno));
    if (probe >= 0) (void)close(probe);
    if (e == ERR_OK) e = bind_and_listen(&l, &addr, why);
    if (e != ERR_OK) {
        vici_listen_end(&l);
        return e;
    }
    *out = l;
    return ERR_OK;
}

void vici_listen_end(struct vici_listener *l)
{
    struct stat st;
    if (l->fd >= 0) (void)close(l->fd);
    if (l->path && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino) {
        (void)unlink(l->path);
    }
    free(l->path);
    *l = (struct vici_listener){.fd = -1};
}
