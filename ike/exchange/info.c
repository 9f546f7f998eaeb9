// info.c - INFORMATIONAL without DELETE (RFC 7296 1.4, 2.4): signs of life and news. And what is
// asked at the wrong moment (2.25).
#include "ike/exchange/close.h"
#include "ike/exchange/config.h"
#include "ike/exchange/handlers.h"
#include "ike/exchange/lifetime.h"
#include "ike/exchange/message.h"
#include "ike/exchange/mobike.h"
#include "ike/exchange/redirect.h"
#include "ike/sa/diplomat.h"

err_t probe_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    (void)t, (void)why;
    mobike_put_probe(sa, m); // otherwise an empty message is all it takes
    return ERR_OK;
}

err_t probe_on_response(struct turn *t)
{
    tell(t->ike, t->sa, LOG_DEBUG, "the peer is alive");
    mobike_on_probe(t);
    return ERR_OK;
}

err_t info_on_request(struct turn *t)
{
    struct notify n;
    char name[40];
    mobike_on_request(t);
    lifetime_take(t->sa, t->in);
    TRY(config_on_info(t));
    IGNORE(redirect_take(t->sa, t->in));                       // what is not followed was told
    if (notify_find_error(t->in, &n) != ERR_OK) return ERR_OK; // an empty answer is a sign of life
    tell(t->ike, t->sa, LOG_WARN, "the peer reports %s", notify_name(n.type, name));
    // rfc7296 2.21.2: after IKE_AUTH these end the IKE SA without DELETE; all others change
    // nothing.
    if (n.type != N_AUTHENTICATION_FAILED && n.type != N_INVALID_SYNTAX) return ERR_OK;
    t->fatal = true;
    t->why = CLOSED_BY_PEER;
    return ERR_OK;
}

err_t not_now_on_request(struct turn *t)
{
    // rfc7296 2.25.2: on an IKE SA that is being closed nothing begins any more.
    return refuse(t, N_TEMPORARY_FAILURE, ERR_STATE,
                  "the peer asks for a child SA or new keys on an IKE SA that is on its way out");
}
