// reload.h - brings a configuration into force, at the start and on SIGHUP or `reload-settings`:
// all of it or nothing. A file with mistakes leaves the running configuration as it is.
#pragma once

#include "daemon/iked.h"

// Reads the file and logs every mistake. Errors: as config_load(), with a sentence for the caller.
err_t reload_read(const struct iked *d, struct config **out, struct why *why);

// One mistake of a configuration, into the log.
void reload_log_issue(const struct conf_issue *i);

// Brings c into force once its DNS names are known, or after RELOAD_NAMES_NS. Then done (may be
// NULL) is told. Takes c. Replaces a reload that is still waiting.
typedef void reload_fn(void *ctx, err_t err, const char *sentence);
void reload_apply(struct iked *d, struct config *c, reload_fn *done, void *ctx);
// Both of them.
void reload_start(struct iked *d, reload_fn *done, void *ctx);
// An answer of the resolver has come in.
void reload_on_names(struct iked *d);
// Gives up a reload that is under way.
void reload_cancel(struct iked *d);

#define RELOAD_NAMES_NS (3 * NSEC_PER_SEC)
