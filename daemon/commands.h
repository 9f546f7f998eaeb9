// commands.h - the VICI commands of pavise-iked with strongSwan's names, keys and formats, so that
// swanctl and everything else that speaks VICI works unchanged.
#pragma once

#include "daemon/iked.h"

// For vici_server_new(); ctx of the handlers is struct iked.
extern const struct vici_command commands[];

void commands_list_sas(void *ctx, struct vici_call *call, span_t args); // list_sas.c
void list_sas_done(struct iked *d); // answers those that are under way

// commands_list.c
void commands_list_conns(void *ctx, struct vici_call *call, span_t args);
void commands_list_policies(void *ctx, struct vici_call *call, span_t args);
void commands_list_certs(void *ctx, struct vici_call *call, span_t args); // commands_certs.c
void commands_list_authorities(void *ctx, struct vici_call *call, span_t args);
void commands_list_log(void *ctx, struct vici_call *call, span_t args); // commands_log.c
void commands_get_pools(void *ctx, struct vici_call *call, span_t args);
void commands_get_algorithms(void *ctx, struct vici_call *call, span_t args);

// commands_act.c
void commands_initiate(void *ctx, struct vici_call *call, span_t args);
void commands_terminate(void *ctx, struct vici_call *call, span_t args);
void commands_rekey(void *ctx, struct vici_call *call, span_t args);
void commands_redirect(void *ctx, struct vici_call *call, span_t args);  // commands_redirect.c
void commands_whitelist(void *ctx, struct vici_call *call, span_t args); // commands_whitelist.c
void commands_install(void *ctx, struct vici_call *call, span_t args);
void commands_uninstall(void *ctx, struct vici_call *call, span_t args);
// Its actions "enable" and "disable", which strongswan.conf can say as well. d->ike must be there.
void commands_whitelist_switch(struct iked *d, bool on);
// Sends a line of the story to the commands under way that it concerns (control-log). name: of the
// IKE SA's connection, NULL if there is none yet.
void commands_tell(struct iked *d, unsigned level, const char *name, const struct vici_msg *line);
// Scripts have run: answers that have waited for them go (hold.h).
void commands_held(struct iked *d);
// Frees what still waits for an outcome. After ike_free().
void commands_done(struct iked *d);

// ---- arguments and answers ----
#define COMMAND_NAME_MAX 256 // bytes of a connection's or child's name
// An argument that is not there is "" or 0; false if it is there but no good (too long, no number).
bool commands_str(span_t args, const char *key, char out[COMMAND_NAME_MAX]);
bool commands_number(span_t args, const char *key, int64_t *out);
bool commands_yes(span_t args, const char *key);
// success=no with errmsg. errmsg "": success=yes.
void commands_result(struct vici_call *call, const char *errmsg);
