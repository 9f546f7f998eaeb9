// inherit.h - "section : other.section { }": copies what a section inherits into it, so that nobody
// behind this point has to know. Own settings win, then references from left to right; sections are
// merged at every depth; an empty value ("key =") clears what would be inherited.
#pragma once

#include "conf/tree.h"

// Reports unknown and circular references. ERR_LIMIT: the copies outgrew the limits of the tree.
err_t inherit_all(struct tree *t, struct conf_issues *issues);
