// names.h - what a NAME on the command line means: a connection, one of its children, or both.
#pragma once

#include <jansson.h>
#include <stdbool.h>

// Where to look: the array of control_list(), and the key of a connection's children in it
// ("children" in list-conns, "child-sas" in list-sas).
struct names {
    const json_t *list;
    const char *children;
};

bool names_have_conn(const struct names *n, const char *name);
// The connection that has a child of this name; NULL if none has.
const char *names_conn_of(const struct names *n, const char *name);
// Says that there is no such name, and the nearest that there is.
void names_unknown(const struct names *n, const char *name, const char *where);
