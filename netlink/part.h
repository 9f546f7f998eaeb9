// part.h - the pieces that several NETLINK_XFRM messages share: addresses, selectors, lifetimes,
// marks, between the plain structs of xfrm/xfrm.h and the kernel's layout.
#pragma once

#include "netlink/attr.h"
#include "netlink/message.h"
#include "netlink/uapi.h"

xfrm_address_t part_address(const ip_t *a);
ip_t part_ip(uint16_t family, const xfrm_address_t *a); // bytes past the family's length dropped

void part_selector(const struct xfrm_selector *s, struct uapi_selector *out);
// Errors: ERR_SYNTAX (family), ERR_RANGE (prefix longer than the address).
err_t part_selector_read(const struct uapi_selector *u, struct xfrm_selector *out, struct why *why);

struct xfrm_lifetime_cfg part_limit(const struct xfrm_lifetime *l);
struct xfrm_lifetime part_limit_read(const struct xfrm_lifetime_cfg *u);
struct xfrm_lifetime_cur part_current(const struct xfrm_current *c);
struct xfrm_current part_current_read(const struct xfrm_lifetime_cur *u);

// XFRMA_MARK and XFRMA_IF_ID; nothing is put for zero, as in the kernel.
void part_mark_put(struct message *m, const struct xfrm_mark *mark, uint32_t if_id);
struct xfrm_mark part_mark_read(const struct attrs *a);

// XFRMA_ENCAP; nothing is put for none. family: of the original address.
void part_encap_put(struct message *m, const struct xfrm_encap *e);
bool part_encap_read(const struct attrs *a, uint16_t family, struct xfrm_encap *out);
// XFRMA_POLICY_TYPE. Errors: ERR_SYNTAX (neither main nor sub).
void part_type_put(struct message *m, uint8_t type);
err_t part_type_read(const struct attrs *a, uint8_t *type, struct why *why);
