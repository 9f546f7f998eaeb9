// secrets.h - secrets { ike* { secret, id* } ... }. Secrets are never shown in a message.
#pragma once

#include "conf/schema.h"

extern const struct schema schema_secrets;

// Reads the section "secrets" into ld->out->psk.
void secrets_read(struct load *ld, const struct node *n, void *config);
