// top.h - one look at the tunnels, and what has changed since the one before. Between the files of
// `pavise top` only.
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/text.h"
#include "cli/args.h"

#define TOP_ROWS_MAX 1000U // children shown; more are left out
#define TOP_NAME_MAX 80

struct top_row {
    char name[TOP_NAME_MAX], peer[48];
    uint64_t in, out, packets;  // a second
    uint64_t last_in, last_out; // seconds ago; UINT64_MAX: never
};

enum top_sort { TOP_BY_RATE, TOP_BY_NAME, TOP_BY_IN, TOP_BY_OUT, TOP_SORTS };

struct top_view {
    enum top_sort sort;
    char filter[TOP_NAME_MAX]; // shown are those whose name or peer has it
    unsigned rows, columns;
    double interval;     // seconds
    bool paused, asking; // asking: the filter is being typed
};

struct top_look {
    uint64_t at;        // monotonic ns
    json_t *sas, *stat; // list-sas; pavise-xfrmd's, or NULL
};

// false: pavise-iked cannot be asked, and that has been said.
bool top_look(const struct args *a, struct top_look *out);
void top_look_done(struct top_look *l);
// What lies between two looks, for programs.
json_t *top_json(const struct top_look *before, const struct top_look *now);
// ... for people: at most view->rows lines of at most view->columns characters.
void top_draw(const json_t *what, const struct top_view *view, struct text *out);
