// loaded.h - the configuration in force: what the file says and what VICI clients have loaded
// since, name by name (conf/parts.h). A thousand connections may come one behind the other, so what
// was loaded is put in force a moment later, at once for many; a command that looks or acts finds
// all of it in force (loaded_settle).
#pragma once

#include "daemon/iked.h"

struct parts;

#define LOADED_WAIT_NS (5 * NSEC_PER_MSEC) // at least, from the first that was loaded
#define LOADED_SHARE 4 // what takes long waits this many times as long: a fifth of the time at most

err_t loaded_new(struct iked *d); // d->loaded, and d->config: empty. ERR_NOMEM
void loaded_free(struct iked *d); // d->config, too; calls that wait are answered
struct parts *loaded_parts(const struct iked *d);
// The file's part, in force at once. Takes c, also on errors. ERR_NOMEM.
err_t loaded_set_file(struct iked *d, struct config *c);
// Something in the parts has changed. The call (may be NULL) is answered with m, which is consumed:
// at once, or when the DNS names that `names` (may be NULL) speaks of have addresses, or
// RELOAD_NAMES_NS later.
void loaded_changed(struct iked *d, struct vici_call *call, struct vici_msg *m,
                    const struct config *names);
// Puts in force what waits for it.
void loaded_settle(struct iked *d);
// Does a child in the configuration file name this updown command? The file is looked at again if
// it did not when it was read last. false also: nothing runs scripts here.
bool loaded_script(struct iked *d, const char *command);
// The file that names them, where it loads nothing else (--vici-only). Takes c.
void loaded_scripts_in(struct iked *d, struct config *c);
// An answer of the resolver has come in.
void loaded_on_names(struct iked *d);
