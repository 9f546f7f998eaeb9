// child.h - connections.<conn>.children { <child> { ... } }.
#pragma once

#include "conf/schema.h"

extern const struct schema schema_children, schema_child;

// Reads the section "children" into conn->child.
void child_read_all(struct load *ld, const struct node *n, void *conn);
