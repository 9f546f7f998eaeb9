#include "ike/exchange/terms_blocks.h"

#include "base/words.h"
#include "cred/blocks.h"
#include "ike/sa/diplomat.h"

#define TS_TEXT_MAX 120 // one selector

err_t terms_blocks_take(struct ike_sa *sa, const struct blocks *b)
{
    if (!b) return ERR_OK;
    struct blocks *both = blocks_meet(b, sa->blocks ? sa->blocks : b);
    if (!both) return ERR_NOMEM;
    blocks_free(sa->blocks);
    sa->blocks = both;
    return ERR_OK;
}

// What a selector and a block have in common. false: nothing.
static bool meet(const struct ts *t, const struct block *b, struct ts *out)
{
    if (t->lo.family != b->lo.family) return false;
    *out = *t;
    if (ip_cmp(&b->lo, &t->lo) > 0) out->lo = b->lo;
    if (ip_cmp(&b->hi, &t->hi) < 0) out->hi = b->hi;
    return ip_cmp(&out->lo, &out->hi) <= 0;
}

bool terms_blocks_cut(const struct ike_sa *sa, struct ts_list *theirs)
{
    struct ts_list left = {0};
    if (!sa->blocks) return theirs->n > 0;
    // rfc7296 2.9 MUST: the first selectors stay in front, so the list is the outer loop.
    for (unsigned i = 0; i < theirs->n; i++) {
        for (unsigned k = 0; k < blocks_count(sa->blocks) && left.n < TS_MAX; k++) {
            const struct block *b = blocks_at(sa->blocks, k);
            if (meet(&theirs->ts[i], b, &left.ts[left.n])) left.n++;
        }
    }
    if (!left.n) return false;
    *theirs = left;
    return true;
}

static void tell_one(struct ike_sa *sa, const struct ts *t, const struct block *b)
{
    char asked[TS_TEXT_MAX], block[BLOCK_TEXT_MAX], part[TS_TEXT_MAX];
    struct ts_list one = {.n = 1, .ts = {*t}}, left = {.n = 1};
    if (!meet(t, b, &left.ts[0])) return;
    ts_show(&one, asked, sizeof asked);
    block_show(b, block);
    if (ts_subset(&one, &left)) {
        tell(sa->ike, sa, LOG_STORY, SAY_BLOCK_TS, asked, block);
        return;
    }
    tell(sa->ike, sa, LOG_STORY, SAY_BLOCK_TS_PART, asked, block,
         ts_show(&left, part, sizeof part));
}

// Lines about one list: who asks for many of many blocks is not told all of it.
#define LINES_MAX 16

void terms_blocks_tell(struct ike_sa *sa, const struct ts_list *asked)
{
    unsigned n = sa->blocks ? blocks_count(sa->blocks) : 0;
    if (!sa->blocks) return;
    tell(sa->ike, sa, LOG_STORY, SAY_BLOCKS_LOOK);
    for (unsigned i = 0, lines = 0; i < asked->n; i++) {
        for (unsigned k = 0; k < n && lines < LINES_MAX; k++) {
            struct ts t;
            if (!meet(&asked->ts[i], blocks_at(sa->blocks, k), &t)) continue;
            tell_one(sa, &asked->ts[i], blocks_at(sa->blocks, k));
            lines++;
        }
    }
}

err_t terms_blocks_check(struct ike_sa *sa, const struct ts_list *theirs, struct why *why)
{
    char ts[TS_TEXT_MAX], blocks[BLOCKS_TEXT_MAX];
    if (!sa->blocks) return ERR_OK;
    terms_blocks_tell(sa, theirs);
    for (unsigned i = 0; i < theirs->n; i++) {
        const struct block part = {theirs->ts[i].lo, theirs->ts[i].hi};
        const struct ts_list one = {.n = 1, .ts = {theirs->ts[i]}};
        if (blocks_around(sa->blocks, &part)) continue;
        return why_not(why, ERR_PERMISSION,
                       "the peer shall be reached at %s, and its certificate is good for %s only "
                       "(RFC 3779); keep remote_ts within that, or have another issued",
                       ts_show(&one, ts, sizeof ts), blocks_show(sa->blocks, blocks));
    }
    return ERR_OK;
}
