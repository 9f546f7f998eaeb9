// sa_show.h - IKE and CHILD SAs as VICI sections, in the order and format of strongSwan.
#pragma once

#include "ike/ike.h"
#include "vici/msg.h"

#define SA_NAME_MAX 320 // bytes of "<child>-<id>" and "<name>[<id>]"

#define SA_UNNAMED "(unnamed)"
// The name of an IKE SA; SA_UNNAMED before the responder knows which connection it is.
const char *sa_show_name(const struct ike_sa_view *v);
// The keys of an IKE SA, without its section and its children.
void sa_show_ike(struct vici_msg *m, const struct ike_sa_view *v);
// The keys of a CHILD SA, without its section.
void sa_show_child(struct vici_msg *m, const struct child_sa_view *v);
// A label of selectors (RFC 9478) in hexadecimal, as it is sent; nothing for NULL.
void sa_show_label(struct vici_msg *m, const char *label);
// A time, seconds since 1970, as "2026-11-22T08:00:00Z"; nothing for 0.
void sa_show_time(struct vici_msg *m, const char *key, int64_t at);
