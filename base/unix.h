// unix.h - Unix sockets by name: a path, or "@name" for an abstract one, which needs no file.
#pragma once

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"

// The address that a name stands for, and its length. ERR_RANGE: empty or too long.
err_t unix_address(const char *name, struct sockaddr_un *out, socklen_t *len, struct why *why);

// A socket of this type (SOCK_STREAM ...) that has the name, non-blocking and closed on exec; it
// listens unless it is SOCK_DGRAM. ERR_SYSTEM: the name is taken, or may not be had.
err_t unix_bind(const char *name, int type, int *out, struct why *why);

// Who is at the other end, as the kernel says: root?
bool unix_peer_is_root(int fd);

// Closes it, and takes the file away. fd < 0 is fine.
void unix_unbind(int fd, const char *name);
