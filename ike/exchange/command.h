// command.h - what users ask for (ike.h says what each means), and what goes on in the background
// for them.
#pragma once

#include "ike/sa/ike_sa.h"
#include "ike/sa/job.h"

// Each takes the caller's hold on the job (may be NULL).
void command_initiate(struct ike *ike, const char *conn, const char *child, struct job *job);
void command_terminate(struct ike *ike, const struct ike_choice *what, unsigned *matches,
                       struct job *job);
void command_shutdown(struct ike *ike, uint64_t timeout_ns, struct job *job);
err_t command_rekey(struct ike *ike, const struct ike_choice *what, unsigned *matches);
err_t command_redirect(struct ike *ike, const struct ike_redirect *what, unsigned *matches);

// The trap or shunt of a child; conn NULL: of the first that has such a child, or of all. Errors:
// ERR_NOTFOUND, and those of trap_install(), with a sentence.
err_t command_install(struct ike *ike, const char *conn, const char *child, struct why *why);
err_t command_uninstall(struct ike *ike, const char *conn, const char *child, struct why *why);

// Puts the traps and shunts of the connections in force in place, and starts what start_action
// says.
void command_start_all(struct ike *ike);
// Tries again what has waited long enough, and ends a shutdown whose time is over.
void command_tick(struct ike *ike);
uint64_t command_due(const struct ike *ike);
// A shutdown is complete when no IKE SA is left.
void command_shutdown_check(struct ike *ike);
