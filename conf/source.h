// source.h - the text of one configuration file, and places in it. A place is two words and costs
// nothing to carry; line and column are counted only when somebody must be told.
#pragma once

#include "base/cursor.h"

struct source {
    const char *name; // as the user wrote it
    span_t text;      // borrowed from the tree's arena
    unsigned no;      // 0 = the first file read
};

struct place {
    const struct source *src; // NULL: a built-in default
    uint32_t at;              // byte offset
};

// Line and column, both from 1. A column is a character: UTF-8 continuation bytes do not count.
void place_find(struct place p, unsigned *line, unsigned *column);
// The line that holds the place, without its newline.
span_t place_line(struct place p);
