#include "ike/sa/reassembly.h"

#include <stdlib.h>
#include <string.h>

void reassembly_done(struct reassembly *r, size_t *held)
{
    for (unsigned i = 0; i < r->total; i++) blob_done(&r->piece[i]);
    free(r->piece);
    *held -= r->bytes;
    *r = (struct reassembly){0};
}

static err_t begin(struct reassembly *r, size_t *held, uint32_t id, uint16_t total)
{
    reassembly_done(r, held);
    if (total > PIECES_MAX) return ERR_LIMIT;
    r->piece = calloc(total, sizeof *r->piece);
    if (!r->piece) return ERR_NOMEM;
    r->id = id;
    r->total = total;
    return ERR_OK;
}

err_t reassembly_add(struct reassembly *r, size_t *held, uint32_t id, const struct fragment *f)
{
    bool same = r->piece && r->id == id;
    // rfc7383 2.6 MUST: whoever has begun anew with smaller pieces has more of them; older ones
    // that come late are not wanted.
    if (same && f->total < r->total) return ERR_AGAIN;
    if (!same || f->total > r->total) TRY(begin(r, held, id, f->total));
    struct blob *b = &r->piece[f->number - 1];
    if (b->at) return ERR_AGAIN;
    size_t len = f->content.len;
    if (r->bytes + len > IKE_MSG_MAX - IKE_HEADER_LEN || *held + len > REASSEMBLING_MAX) {
        reassembly_done(r, held);
        return ERR_LIMIT;
    }
    if (len == 0) return ERR_AGAIN; // nothing can become whole by it
    TRY(blob_set(b, f->content));
    r->bytes += len;
    *held += len;
    if (f->number == 1) r->first = f->first;
    return ++r->have == r->total ? ERR_OK : ERR_AGAIN;
}

span_t reassembly_take(struct reassembly *r, size_t *held, uint8_t *to, uint8_t *first)
{
    size_t len = 0;
    for (unsigned i = 0; i < r->total; i++) {
        memcpy(to + len, r->piece[i].at, r->piece[i].len);
        len += r->piece[i].len;
    }
    *first = r->first;
    reassembly_done(r, held);
    return span(to, len);
}
