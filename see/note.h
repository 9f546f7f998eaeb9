// note.h - one event while it is being written (see.h).
#pragma once

#include <jansson.h>

#include "base/cursor.h"

enum gravity {
    G_NOTE,    // worth a word
    G_WARNING, // allowed, and yet hardly meant
    G_ERROR,   // against the RFC, or the reason of a failure
};

struct note {
    json_t *event;    // NULL: out of memory, and everything below does nothing
    json_t *payloads; // borrowed from event, as is
    json_t *faults;
};

struct note note_new(const char *kind);
// A string of whatever bytes: what is no printable UTF-8 becomes '?'.
json_t *note_text(const char *s);
void note_set(struct note *n, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void note_number(struct note *n, const char *key, uint64_t value);
// rfc: "RFC 7296 2.1"; hint: what to do about it, or NULL.
void note_fault(struct note *n, enum gravity g, const char *rfc, const char *hint, const char *fmt,
                ...) __attribute__((format(printf, 5, 6)));
// A payload with the sentence about it. Returns the object, for more members; NULL: no memory.
json_t *note_payload(struct note *n, const char *type, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
