#include "ike/sa/chain.h"

#include <string.h>

void chain_plan(struct chain *c, const struct proposal *chosen)
{
    for (uint8_t type = ALG_ADDKE1; type <= ALG_ADDKE7; type++) {
        const struct transform *t = proposal_get(chosen, (enum alg_type)type);
        if (t && t->id != KE_NONE) c->method[c->n++] = t->id;
    }
}

err_t chain_add(struct chain *c, const struct secret *shared)
{
    if (shared->len > sizeof c->secrets - c->len) return ERR_SPACE;
    memcpy(c->secrets + c->len, shared->at, shared->len);
    c->len += shared->len;
    c->done++;
    return ERR_OK;
}

err_t chain_link(struct chain *c, span_t link)
{
    if (link.len == 0) return ERR_SYNTAX;
    if (link.len > sizeof c->link) return ERR_LIMIT;
    memcpy(c->link, link.at, link.len);
    c->link_len = (uint16_t)link.len;
    return ERR_OK;
}

void chain_done(struct chain *c)
{
    ke_free(c->ke);
    wipe(c, sizeof *c);
}
