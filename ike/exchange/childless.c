#include "ike/exchange/childless.h"

#include "base/words.h"
#include "ike/sa/diplomat.h"

err_t childless_check(const struct ike_sa *sa, struct why *why)
{
    bool wanted = sa->conn->conf.childless == CONF_CHILDLESS_FORCE;
    if (!wanted || sa->opening->peer_childless) return ERR_OK;
    tell(sa->ike, sa, LOG_STORY, SAY_NO_CHILDLESS);
    return why_not(why, ERR_CLOSED,
                   "the responder sets up no IKE SA without a child SA (childless = force)");
}

bool childless_begins(const struct ike_sa *sa)
{
    enum conf_childless c = sa->conn->conf.childless;
    bool wanted = c == CONF_CHILDLESS_PREFER || c == CONF_CHILDLESS_FORCE;
    // rfc6023 4 MUST NOT: not unless the responder has said that it may be.
    return wanted && sa->opening->peer_childless;
}

bool childless_is_offered(const struct ike_sa *sa)
{
    return sa->conn->conf.childless != CONF_CHILDLESS_NEVER;
}

err_t childless_judge(struct turn *t)
{
    enum conf_childless c = t->sa->conn->conf.childless;
    bool child = t->in->have & (P(SA) | P(TSi) | P(TSr));
    if (child && c == CONF_CHILDLESS_FORCE) {
        tell(t->ike, t->sa, LOG_STORY, SAY_NOT_CHILDLESS);
        return refuse(t, N_INVALID_SYNTAX, ERR_SYNTAX,
                      "the peer wants a child SA with IKE_AUTH (childless = force)");
    }
    if (!child && c == CONF_CHILDLESS_NEVER) {
        tell(t->ike, t->sa, LOG_STORY, SAY_CHILDLESS);
        return refuse(t, N_INVALID_SYNTAX, ERR_SYNTAX,
                      "the peer wants no child SA with IKE_AUTH (childless = never)");
    }
    return ERR_OK;
}
