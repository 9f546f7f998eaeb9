#include "ike/sa/granted.h"

#include <stdlib.h>
#include <string.h>

static err_t keep_classes(struct granted *to, const struct radius_grant *g)
{
    uint8_t attrs[RADIUS_CLASSES_MAX * (RADIUS_VALUE_MAX + 2)];
    wr_t w = wr_into(attrs, sizeof attrs);
    for (unsigned i = 0; i < g->class_n; i++) {
        radius_put(&w, RADIUS_CLASS, span(g->class[i].at, g->class[i].len));
    }
    return wr_len(&w) ? blob_set(&to->classes, wr_span(&w)) : ERR_OK;
}

struct granted *granted_new(const struct radius_grant *g)
{
    struct granted *to = calloc(1, sizeof *to);
    if (!to) return NULL;
    to->ip4 = g->ip4;
    to->ip6 = g->ip6;
    to->dns_n = g->dns_n;
    memcpy(to->dns, g->dns, sizeof to->dns);
    to->session_s = g->session_s;
    to->idle_s = g->idle_s;
    to->interim_s = g->interim_s;
    if (keep_classes(to, g) == ERR_OK) return to;
    granted_free(to);
    return NULL;
}

void granted_free(struct granted *g)
{
    if (!g) return;
    blob_done(&g->classes);
    free(g);
}

void granted_move(struct ike_sa *from, struct ike_sa *to)
{
    if (!from->granted) return;
    granted_free(to->granted);
    to->granted = from->granted;
    from->granted = NULL;
}
