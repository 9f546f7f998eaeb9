// proposal.h - "aes256gcm16-prfsha384-ecp384, default": lists of algorithms (RFC 7296 3.3) with
// strongSwan's rules for what a proposal needs and what is derived.
#pragma once

#include "conf/schema.h"

void set_ike_proposals(const struct arg *a); // struct conf_proposals
void set_esp_proposals(const struct arg *a); // struct conf_proposals
void set_ah_proposals(const struct arg *a);  // struct conf_proposals
