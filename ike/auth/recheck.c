#include "ike/auth/recheck.h"

#include <stdlib.h>

#include "base/words.h"
#include "ike/auth/peer_work.h"
#include "ike/exchange/close.h"
#include "ike/sa/diplomat.h"

bool recheck_is_due(const struct ike_sa *sa)
{
    return sa->initiator && sa->reauth_of != 0;
}

static void work_free(struct ike_work *w)
{
    struct peer_work *p = (struct peer_work *)w;
    peer_work_done(p);
    free(p);
}

static struct peer_work *like(const struct peer_work *p)
{
    struct peer_work *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->conn = conn_get(p->conn);
    r->side = p->side;
    r->id = p->id;
    r->level = LOG_STORY;
    r->again = true;
    r->tries = TRUST_TRIES_MAX;
    return r;
}

err_t recheck_keep(struct ike_sa *sa, struct peer_work *judged)
{
    if (judged->kept_n == 0) return ERR_OK; // a key without certificate
    recheck_drop(sa);
    sa->recheck = like(judged);
    if (!sa->recheck) return ERR_NOMEM;
    for (unsigned i = 0; i < judged->kept_n; i++) {
        sa->recheck->cert[i].encoding = judged->kept[i].encoding;
        sa->recheck->cert[i].data = judged->kept[i].data;
        judged->kept[i].data = (struct blob){0};
    }
    sa->recheck->cert_n = judged->kept_n;
    return ERR_OK;
}

void recheck_move(struct ike_sa *from, struct ike_sa *to)
{
    if (!from->recheck) return;
    recheck_drop(to);
    to->recheck = from->recheck;
    from->recheck = NULL;
    recheck_start(to); // whatever is under way for the old one is thrown away
}

void recheck_drop(struct ike_sa *sa)
{
    if (sa->recheck) work_free(&sa->recheck->w);
    sa->recheck = NULL;
}

// ---- asking ------------------------------------------------------------------------------------

static void failed(struct ike_sa *sa, const char *why)
{
    tell(sa->ike, sa, LOG_ERROR, "%s", why);
    tell(sa->ike, sa, LOG_STORY, SAY_RECHECK_BAD);
    recheck_drop(sa);
    close_ike_ask(sa, CLOSED_FAILED, 0, NULL);
}

static void work_done(struct ike_work *w, struct ike_sa *sa)
{
    const struct peer_work *p = (const struct peer_work *)w;
    if (!sa->recheck) return;
    if (p->err != ERR_OK) {
        failed(sa, p->why.text[0] ? p->why.text : err_text(p->err));
        return;
    }
    tell(sa->ike, sa, LOG_STORY, SAY_RECHECK_GOOD);
    recheck_drop(sa);
}

static struct peer_work *work_make(const struct ike_sa *sa)
{
    const struct peer_work *from = sa->recheck;
    struct peer_work *p = like(from);
    if (!p) return NULL;
    p->w = (struct ike_work){.run = peer_work_run, .done = work_done, .free = work_free};
    p->now_s = sa->ike->env.wall(sa->ike->env.ctx);
    for (; p->cert_n < from->cert_n; p->cert_n++) {
        p->cert[p->cert_n].encoding = from->cert[p->cert_n].encoding;
        if (blob_set(&p->cert[p->cert_n].data, blob_span(&from->cert[p->cert_n].data)) == ERR_OK)
            continue;
        work_free(&p->w);
        return NULL;
    }
    return p;
}

void recheck_start(struct ike_sa *sa)
{
    if (!sa->recheck || sa->state != IKE_UP) return;
    struct peer_work *p = work_make(sa);
    err_t err = p ? work_start(sa, &p->w) : ERR_NOMEM;
    // Who cannot be asked about is not believed for ever.
    if (err != ERR_OK) failed(sa, "the peer's certificate cannot be checked now");
}
