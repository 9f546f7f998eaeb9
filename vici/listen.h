// listen.h - the Unix stream socket that a VICI server listens on, and its name in the file system.
#pragma once

#include <sys/types.h>

#include "base/err.h"

struct vici_listener {
    int fd; // nonblocking
    char *path;
    dev_t dev; // of the name, so that only our own is removed at the end
    ino_t ino;
};

// Creates it with mode 0770 and replaces a socket that nobody listens on any more.
// Errors: ERR_EXISTS, ERR_RANGE, ERR_SYSTEM, ERR_NOMEM, with a sentence.
err_t vici_listen(const char *path, struct vici_listener *out, struct why *why);
void vici_listen_end(struct vici_listener *l);
