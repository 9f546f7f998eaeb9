// hint.c - in a large database nothing is in the cache. What a burst will look at is called from
// memory for all its packets at once, step by step, as far as one thing leads to the next: then the
// burst waits for memory once a step and not once a packet. Only hints: no result depends on them.
#include "xfrm/path/stages.h"

void hint_policies(const struct worker *w, const struct burst *b, enum xfrm_dir dir)
{
    uint64_t hint[BURST_MAX];
    if (!sad_is_large(w->db->sad)) return;
    for (unsigned i = 0; i < b->n; i++) {
        const struct pkt *p = b->p[i];
        const struct spd_ask ask = {.dir = dir, .mark = p->mark};
        hint[i] = p->drop ? 0 : spd_hint(w->db->spd, &ask, &p->flow);
    }
    for (unsigned i = 0; i < b->n; i++) spd_hint_more(w->db->spd, dir, hint[i]);
}

void hint_sas_out(const struct worker *w, const struct burst *b)
{
    const struct sa *sa[BURST_MAX];
    if (!sad_is_large(w->db->sad)) return;
    for (unsigned i = 0; i < b->n; i++) lane_hint(b->p[i]->policy->lane[0]);
    for (unsigned i = 0; i < b->n; i++) sa[i] = lane_hint_more(b->p[i]->policy->lane[0]);
    for (unsigned i = 0; i < b->n; i++) {
        if (sa[i]) sa_hint_more(sa[i]);
    }
}

void hint_sas_in(const struct worker *w, const struct burst *b)
{
    uint64_t hint[BURST_MAX];
    const struct sa *sa[BURST_MAX];
    if (!sad_is_large(w->db->sad)) return;
    for (unsigned i = 0; i < b->n; i++) {
        const struct pkt *p = b->p[i];
        bool there = p->len >= spi_offset(p) + sizeof(uint32_t);
        uint32_t spi = there ? get32(p->at + spi_offset(p)) : 0;
        hint[i] = sad_hint(w->db->sad, &p->to.ip, spi, p->proto);
    }
    for (unsigned i = 0; i < b->n; i++) sa[i] = sad_hint_more(w->db->sad, hint[i]);
    for (unsigned i = 0; i < b->n; i++) {
        if (sa[i]) sa_hint_more(sa[i]);
    }
}
