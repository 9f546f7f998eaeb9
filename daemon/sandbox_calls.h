// sandbox_calls.h - inside the sandbox: the filter of system calls.
#pragma once

#include <stdbool.h>

#include "base/err.h"

// Refuses from now on, in this thread and those it starts, what no daemon of ours calls; execve too
// unless `programs`. Not under a sanitizer, whose runtime traces its own process. Errors: as
// sandbox_enter().
err_t sandbox_calls_limit(bool programs, struct why *why);
