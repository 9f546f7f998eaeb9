#include "base/heap.h"

// The smaller of two roots, with the other one as its first child. Either may be NULL.
static struct heap_node *meld(struct heap_node *a, struct heap_node *b, heap_less_fn *less)
{
    if (!a || !b) return a ? a : b;
    if (less(b, a)) {
        struct heap_node *t = a;
        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next) b->next->prev = b;
    a->child = b;
    return a;
}

// Takes the first of *list off as a root.
static struct heap_node *take(struct heap_node **list)
{
    struct heap_node *n = *list;
    if (!n) return NULL;
    *list = n->next;
    n->next = n->prev = NULL;
    return n;
}

// One heap out of siblings: two by two from the left, then all of those from the right.
static struct heap_node *meld_siblings(struct heap_node *list, heap_less_fn *less)
{
    struct heap_node *pairs = NULL, *root = NULL;
    while (list) {
        struct heap_node *a = take(&list), *pair = meld(a, take(&list), less);
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs) {
        struct heap_node *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        root = meld(root, pair, less);
    }
    return root;
}

void heap_add(struct heap *h, struct heap_node *n, heap_less_fn *less)
{
    *n = (struct heap_node){0};
    h->root = meld(h->root, n, less);
}

void heap_del(struct heap *h, struct heap_node *n, heap_less_fn *less)
{
    struct heap_node *children = meld_siblings(n->child, less);
    if (n == h->root) {
        h->root = children;
        return;
    }
    if (n->prev->child == n)
        n->prev->child = n->next;
    else
        n->prev->next = n->next;
    if (n->next) n->next->prev = n->prev;
    h->root = meld(h->root, children, less);
}
