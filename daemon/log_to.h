// log_to.h - where the daemons' lines go besides stderr (--log): syslog, a file, a file of JSON.
#pragma once

#include "base/err.h"
#include "base/log.h"

#define LOG_TARGETS_MAX 3 // of one process

// spec: "stderr", "syslog[:FACILITY]", "file:PATH" or "json:PATH", and ",LEVEL" behind it; without
// one the level is `level`. ident: the program's name in syslog. Opens it, so call it before the
// sandbox is entered. Errors: ERR_SYNTAX, ERR_SYSTEM, ERR_LIMIT, with a sentence.
err_t log_to(const char *spec, const char *ident, enum log_level level, struct why *why);
// "error", "warn", "story", "info", "debug". ERR_SYNTAX with a sentence that names `option`.
err_t log_level_read(const char *option, const char *s, enum log_level *out, struct why *why);
