// issue.h - writing down mistakes (struct conf_issues in conf/config.h).
#pragma once

#include "conf/config.h"
#include "conf/source.h"

#define ISSUES_MAX 200 // nobody reads more; the last one says that there were more

// token: what stands there, for people; control characters are escaped, long ones are cut. Never a
// secret: setters of secrets pass the key instead.
void issue_error(struct conf_issues *l, struct place at, const char *token, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void issue_warn(struct conf_issues *l, struct place at, const char *token, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
// What to write instead; belongs to the issue just written.
void issue_hint(struct conf_issues *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// In the order in which a reader of the files meets them.
void issue_sort(struct conf_issues *l);
