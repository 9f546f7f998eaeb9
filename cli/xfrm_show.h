// xfrm_show.h - SAs and policies as text (the words and the order of `ip xfrm`) and as JSON.
#pragma once

#include <jansson.h>

#include "cli/fields.h"
#include "netlink/client.h"

void xfrm_show_sa(struct fields *f, const struct xfrm_sa *sa);
json_t *xfrm_show_sa_json(const struct xfrm_sa *sa, bool keys);
void xfrm_show_policy(struct fields *f, const struct xfrm_policy *p);
json_t *xfrm_show_policy_json(const struct xfrm_policy *p);

// Parts that both have.
const char *xfrm_show_proto(uint8_t proto, char buf[16]); // "esp"
const char *xfrm_show_mode(uint8_t mode);                 // "tunnel"
void xfrm_show_selector(struct fields *f, const struct xfrm_selector *s);
json_t *xfrm_show_selector_json(const struct xfrm_selector *s);
