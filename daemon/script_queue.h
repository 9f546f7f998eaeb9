// script_queue.h - inside the process that runs updown scripts (scripts.h): requests are read as
// they come, and run one after another.
#pragma once

#include "conf/config.h"

#define SCRIPT_LINE_MAX 1024
#define SCRIPT_WAITING_MAX 100000 // requests: a child of every SA that a gateway may hold
#define SCRIPT_SAYS 's'           // first byte of what goes back: a line of a script,
#define SCRIPT_TROUBLE 't'        // or a sentence about one,
#define SCRIPT_RAN 'd'            // or nothing: one request has been done with

// Serves fd until the daemon closes it and the last script has run. Returns an exit status.
int script_queue_serve(int fd, const char *path, const struct config *config);
