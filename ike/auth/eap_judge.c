#include "ike/auth/eap_judge.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "ike/auth/peer.h"
#include "ike/auth/recheck.h"
#include "ike/sa/diplomat.h"

#define LINES_PER_STEP 12 // of the log, about a chain and whether it was revoked

struct eap_judge {
    atomic_uint refs; // holders beside the first
    bool said;        // there is something to tell
    struct peer_work p;
};

struct eap_judge *eap_judge_new(const struct ike_sa *sa, const struct conf_side *side)
{
    struct eap_judge *j = calloc(1, sizeof *j);
    if (!j) return NULL;
    j->p.conn = conn_get(sa->conn);
    j->p.side = side;
    j->p.tries = TRUST_TRIES_MAX - sa->opening->tries_used;
    j->p.level = tell_level(sa, LOG_STORY, LINES_PER_STEP);
    j->p.offline = recheck_is_due(sa);
    j->p.now_s = sa->ike->env.wall(sa->ike->env.ctx);
    return j;
}

void eap_judge_free(struct eap_judge *j)
{
    if (!j || atomic_fetch_sub(&j->refs, 1) > 0) return;
    peer_work_done(&j->p);
    free(j);
}

static void hold(void *holder)
{
    struct eap_judge *j = holder;
    atomic_fetch_add(&j->refs, 1);
}

static void release(void *holder)
{
    eap_judge_free(holder);
}

static err_t judge(void *holder, const struct id *who, struct cert *const *chain, unsigned n,
                   struct why *why)
{
    struct eap_judge *j = holder;
    j->p.id = *who;
    j->said = true;
    err_t err = peer_work_judge(&j->p, chain, n);
    if (err != ERR_OK) *why = j->p.why;
    return err;
}

void eap_judge_terms(struct eap_judge *j, const struct ike_sa *sa, struct tls_terms *out)
{
    const struct cred_own *own = sa->opening->own;
    const struct ike_options *opt = &sa->ike->opt;
    *out = (struct tls_terms){.holder = j,
                              .hold = hold,
                              .release = release,
                              .min = opt->tls_min,
                              .max = opt->tls_max,
                              .suites = opt->tls_suites[0] ? opt->tls_suites : NULL,
                              .judge = judge};
    if (!own || !own->cert) return;
    out->key = own->key;
    out->cert = own->cert;
    for (unsigned i = 0; i < own->chain_n && i < TLS_CHAIN_MAX; i++) {
        out->chain[out->chain_n++] = own->chain[i];
    }
}

err_t eap_judge_tell(struct eap_judge *j, struct ike_sa *sa)
{
    if (!j || !j->said) return ERR_OK;
    j->said = false;
    sa->opening->tries_used = TRUST_TRIES_MAX - j->p.tries;
    // A refusal is the conversation's matter.
    err_t err = peer_judged(&j->p, sa);
    return err == ERR_NOMEM ? err : ERR_OK;
}
