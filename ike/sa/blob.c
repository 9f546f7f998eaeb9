#include "ike/sa/blob.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

err_t blob_set(struct blob *b, span_t s)
{
    blob_done(b);
    if (s.len == 0) return ERR_OK;
    b->at = malloc(s.len);
    if (!b->at) return ERR_NOMEM;
    memcpy(b->at, s.at, s.len);
    b->len = s.len;
    return ERR_OK;
}

void blob_done(struct blob *b)
{
    if (b->at) wipe(b->at, b->len);
    free(b->at);
    *b = (struct blob){0};
}
