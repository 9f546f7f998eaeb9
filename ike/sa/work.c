#include "ike/sa/work.h"

#include "ike/sa/diplomat.h"
#include "ike/sa/ike_sa.h"

static err_t give(struct ike_sa *sa, struct ike_work *w, err_t (*to)(void *, struct ike_work *))
{
    struct ike *ike = sa->ike;
    err_t err = sa->work_id ? ERR_STATE : ERR_OK;
    if (!to) err = ERR_UNSUPPORTED;
    w->spi = ike_sa_spi(sa);
    w->id = ++ike->last_work;
    w->source = table_owner(&ike->table, &sa->remote.ip);
    if (err == ERR_OK) err = to(ike->env.ctx, w);
    if (err == ERR_OK) {
        sa->work_id = w->id;
    } else {
        w->free(w);
    }
    return err;
}

err_t work_start(struct ike_sa *sa, struct ike_work *w)
{
    return give(sa, w, sa->ike->env.work);
}

err_t work_ask(struct ike_sa *sa, struct ike_work *w)
{
    return give(sa, w, sa->ike->env.radius);
}

err_t work_lease(struct ike_sa *sa, struct ike_work *w)
{
    return give(sa, w, sa->ike->env.dhcp_ask);
}

void work_finish(struct ike *ike, struct ike_work *w)
{
    struct ike_sa *sa = table_find(&ike->table, w->spi);
    if (sa && sa->work_id == w->id) {
        sa->work_id = 0;
        if (ike_sa_live(sa)) w->done(w, sa);
    }
    w->free(w);
}
