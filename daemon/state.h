// state.h - the folder in which pavise-iked keeps what has to outlive it: leases, and what it has
// changed on this host. A file there is replaced as a whole or not at all.
#pragma once

#include "base/text.h"

#define STATE_FOLDER "/var/lib/pavise"
#define STATE_FILE_MAX (64UL * 1024UL * 1024UL) // bytes: half a million leases

// Makes the folder if it is not there. Before the sandbox. Errors: ERR_SYSTEM with a sentence.
err_t state_folder(const char *dir, struct why *why);
// ERR_NOTFOUND (no such file), ERR_SYSTEM, ERR_LIMIT, ERR_NOMEM.
err_t state_read(const char *dir, const char *file, struct text *out, struct why *why);
err_t state_write(const char *dir, const char *file, const struct text *text, struct why *why);
// A file that makes no sense is put aside as "<file>.bad", where somebody can look at it.
void state_put_aside(const char *dir, const char *file);
