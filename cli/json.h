// json.h - small helpers around jansson.
#pragma once

#include <jansson.h>

#include "base/cursor.h"

// Appends; a NULL element (out of memory) is left out.
void json_add(json_t *array, json_t *element);
// Prints to stdout, indented, with a newline, and frees.
void json_print(json_t *j);
// On one line.
void json_print_line(json_t *j);

// A VICI message as JSON: sections are objects, lists are arrays, values are strings; those
// called "data" (of certificates) are hex. Control
// characters become '?', so that what a peer chose cannot steer a terminal. NULL: malformed.
json_t *json_from_vici(span_t elements);

// The string at a key, or "" - for reading answers without a ladder of checks.
const char *json_str(const json_t *object, const char *key);
// The same as a number; 0 if it is none. Takes strings and integers.
uint64_t json_u64(const json_t *object, const char *key);
bool json_yes(const json_t *object, const char *key);
// "a, b" of an array of strings, in buf.
const char *json_words(const json_t *array, char *buf, size_t cap);
