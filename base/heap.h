// heap.h - a pairing heap of nodes that live in what they order: the smallest is at hand, nothing
// is ever allocated. Adding takes constant time, taking out O(log n) on average. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct heap_node {
    struct heap_node *child; // the first
    struct heap_node *next;  // sibling
    struct heap_node *prev;  // sibling, or the parent of a first child; NULL: the root
};

typedef bool heap_less_fn(const struct heap_node *a, const struct heap_node *b);

struct heap {
    struct heap_node *root; // the smallest; NULL: empty
};

void heap_add(struct heap *h, struct heap_node *n, heap_less_fn *less);
void heap_del(struct heap *h, struct heap_node *n, heap_less_fn *less); // n must be in h
