// fields.h - lines of fields as `ip xfrm` prints them; or, to explain, each field on a line of its
// own with half a line about what it means.
#pragma once

#include <stdbool.h>

struct fields {
    bool explain;
    bool keys;          // show key material
    const char *indent; // of the line at hand
    unsigned count;     // fields on it so far
};

void fields_line(struct fields *f, const char *indent); // begins a line
// meaning: for people who have never seen the field; only printed when explaining.
void fields_add(struct fields *f, const char *meaning, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void fields_end(struct fields *f); // ends the line
