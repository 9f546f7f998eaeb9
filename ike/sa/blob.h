// blob.h - bytes on the heap with one owner: messages that must be remembered.
#pragma once

#include "base/cursor.h"

struct blob {
    uint8_t *at;
    size_t len;
};

err_t blob_set(struct blob *b, span_t s); // replaces; ERR_NOMEM leaves it empty
void blob_done(struct blob *b);           // wipes and frees
static inline span_t blob_span(const struct blob *b)
{
    return span(b->at, b->len);
}
