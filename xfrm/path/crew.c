#include "xfrm/path/crew.h"

#include <string.h>

#define AHEAD 3 // crews whose keys are on their way from memory while one is at work

// ---- sorting ----

static unsigned slot_of(const struct sa *sa)
{
    return (unsigned)((uintptr_t)sa / CACHE_LINE * 0x9e3779b1U >> 16) % CREW_TABLE;
}

// The crew of this SA, made if need be.
static unsigned crew_of(struct crew *c, struct sa *sa)
{
    unsigned slot = slot_of(sa);
    for (; c->table[slot]; slot = (slot + 1) % CREW_TABLE) {
        if (c->sas[c->table[slot] - 1] == sa) return c->table[slot] - 1U;
    }
    unsigned k = c->crews++;
    c->table[slot] = (uint8_t)(k + 1);
    c->sas[k] = sa;
    c->first[k] = c->last[k] = 0;
    return k;
}

static void crew_append(struct crew *c, unsigned k, unsigned i)
{
    uint8_t number = (uint8_t)(i + 1);
    if (c->first[k])
        c->next[c->last[k]] = number;
    else
        c->first[k] = number;
    c->last[k] = number;
    c->next[number] = 0;
}

static void crew_hint(const struct crew *c, unsigned k, const struct burst *b)
{
    sealer_hint(c->sas[k]->sealer, b->p[c->first[k] - 1]->len);
}

void crew_begin(struct crew *c, const struct burst *b)
{
    const struct sa *before = NULL;
    unsigned k = 0;
    c->crews = c->at = 0;
    memset(c->table, 0, sizeof c->table);
    for (unsigned i = 0; i < b->n; i++) {
        const struct pkt *p = b->p[i];
        if (p->drop || !sa_is_esp(p->sa)) continue;
        if (p->sa != before) k = crew_of(c, p->sa);
        before = p->sa;
        crew_append(c, k, i);
    }
    for (unsigned i = 0; i < AHEAD && i < c->crews; i++) crew_hint(c, i, b);
}

// ---- one after the other ----

static void crew_join(struct crew *c, struct pkt *p, bool esn)
{
    c->job[c->n] = (struct seal_job){
        .head = p->at,
        .head_len = ESP_HEADER,
        .text_len = p->len - ESP_HEADER - c->sa->iv_len,
        .esn_hi = (uint32_t)(p->seq >> 32),
        .esn = esn,
    };
    c->p[c->n++] = p;
}

bool crew_next(struct crew *c, const struct burst *b)
{
    if (c->at == c->crews) return false;
    if (c->at + AHEAD < c->crews) crew_hint(c, c->at + AHEAD, b);
    unsigned k = c->at++;
    c->n = 0;
    c->sa = c->sas[k];
    bool esn = (rcu_dereference(c->sa->conf)->x.flags & XFRM_STATE_ESN) != 0;
    for (unsigned i = c->first[k]; i; i = c->next[i]) crew_join(c, b->p[i - 1], esn);
    return true;
}
