// value.h - the types of settings: yes/no, numbers, times, sizes, words, marks, lists.
// All setters have the type key_set_fn (conf/schema.h) and strongSwan's reading of the text.
#pragma once

#include "conf/schema.h"

#define TIME_UNSET \
    UINT64_MAX // a time or amount that was not written; conn.c and child.c compute it

bool value_is_yes(const char *s); // yes true enabled 1
bool value_is_no(const char *s);  // no false disabled 0

void set_yes_no(const struct arg *a);     // bool
void set_time(const struct arg *a);       // uint64_t seconds: 90, 90s, 15m, 4h, 1d
void set_bytes(const struct arg *a);      // uint64_t: 1000, 64k, 500m, 2g (powers of 1024)
void set_count(const struct arg *a);      // uint64_t
void set_number(const struct arg *a);     // uint32_t
void set_port(const struct arg *a);       // uint16_t, not 0
void set_window(const struct arg *a);     // uint32_t: replay window
void set_word(const struct arg *a);       // an enum, by the key's words
void set_mark(const struct arg *a);       // uint32_t value, mask; value: or CONF_EACH_*
void set_mark_given(const struct arg *a); // the same, but a number
void set_if_id(const struct arg *a);      // uint32_t, or CONF_EACH_*
void set_string(const struct arg *a);     // char *, in the config's arena
void set_nothing(const struct arg *a);    // a number that has no effect here

// The usual mistakes behind a value that is wrong (two settings on a line, a ';'), else this hint.
void value_hint(const struct arg *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// One entry of a list separated by commas.
struct element {
    const char *text; // terminated, in the tree's arena
    size_t off, len;  // in the value
    size_t next;      // where to go on
};
// Walks the entries: `struct element e = {0}; while (value_next(a, &e)) ...`. Empty entries are
// reported and skipped.
bool value_next(const struct arg *a, struct element *e);
struct place element_place(const struct arg *a, const struct element *e, size_t i);
