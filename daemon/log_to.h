// log_to.h - where the daemons' lines go besides stderr (--log): syslog, a file, a file of JSON.
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/log.h"

#define LOG_TARGETS_MAX 3 // of --log

// spec: "stderr", "syslog[:FACILITY]", "file:PATH" or "json:PATH", and ",LEVEL" behind it; without
// one the level is `level`. ident: the program's name in syslog. Opens it, so call it before the
// sandbox is entered. Errors: ERR_SYNTAX, ERR_SYSTEM, ERR_LIMIT, with a sentence.
err_t log_to(const char *spec, const char *ident, enum log_level level, struct why *why);
// A target in charon's way (strongswan.conf): "[TIME ]NN[GRP] <name|id> line", with a level for
// each group of lines. Strings are borrowed for good.
enum log_group { LOG_DMN, LOG_IKE, LOG_CFG, LOG_KNL, LOG_NET, LOG_GROUPS };
#define LOG_PLANS_MAX 4
struct log_plan {
    const char *path;     // NULL: syslog
    const char *facility; // of syslog
    const char *ident;
    const char *time_format; // strftime(3); NULL: none
    bool milliseconds, append, names;
    signed char level[LOG_GROUPS]; // -1 (silent) to 4
};
err_t log_to_plan(const struct log_plan *p, struct why *why);
// Other levels for the target of the same path or facility; path and facility NULL: for stderr.
// false: there is none. Any thread may be logging.
bool log_change_levels(const struct log_plan *p);
// The folder of the nth file, in buf; false: there are no more.
bool log_folder(unsigned n, char *buf, size_t cap);
// Opens all files anew, for who has moved them away (logrotate). Any thread may be logging.
void log_reopen(void);

// "error", "warn", "story", "info", "debug". ERR_SYNTAX with a sentence that names `option`.
err_t log_level_read(const char *option, const char *s, enum log_level *out, struct why *why);
