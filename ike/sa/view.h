// view.h - IKE SAs and child SAs as ike.h shows them to list-sas and friends.
#pragma once

#include "ike/sa/child_sa.h"

void view_ike(const struct ike_sa *sa, struct ike_sa_view *out);
// The view's strings live in `text` (VIEW_TEXT_MAX bytes), the rest borrows from c.
#define VIEW_TEXT_MAX 4096
void view_child(const struct child_sa *c, char text[2][VIEW_TEXT_MAX], struct child_sa_view *out);
