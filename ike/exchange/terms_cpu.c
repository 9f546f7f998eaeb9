#include "ike/exchange/terms_cpu.h"

#include <string.h>

#include "base/order.h"
#include "ike/exchange/message.h"
#include "ike/sa/diplomat.h"

// rfc9611 5.2: a peer that had enough may have room later, and must not be asked on and on.
#define REFUSED_NS (60 * NSEC_PER_SEC)

void terms_cpu_put(struct msgw *m, bool of_cpu, uint32_t cpu)
{
    uint8_t data[4];
    if (!of_cpu) return;
    put32(data, cpu); // for whoever reads along; nothing depends on it
    put_notify(m, N_SA_RESOURCE_INFO, span(data, sizeof data));
}

bool terms_cpu_asked(const struct msg *in)
{
    struct notify n;
    return notify_find(in, N_SA_RESOURCE_INFO, &n) == ERR_OK;
}

bool terms_cpu_asks(const struct ike_sa *sa, const struct conf_child *f)
{
    const struct task *t = sa->active;
    return t && t->kind == TASK_CHILD && t->conf == f && t->acquired.of_cpu;
}

static bool is_asked_for(const struct ike_sa *sa, const struct conf_child *f, uint32_t cpu)
{
    return terms_cpu_asks(sa, f) && sa->active->acquired.cpu == cpu;
}

err_t terms_cpu_choose(const struct ike_sa *sa, const struct conf_child *f, uint32_t *cpu)
{
    for (uint32_t i = 0; i < CPUS_MAX; i++) {
        if (child_sa_of_cpu(sa, f, i) || is_asked_for(sa, f, i)) continue;
        *cpu = i;
        return ERR_OK;
    }
    return ERR_LIMIT;
}

bool terms_cpu_due(const struct ike_sa *sa, const struct conf_child *f, uint32_t cpu)
{
    const struct child_sa *c = child_sa_by_name(sa, f->name);
    if (!c || ike_now(sa->ike) < c->cpus_at) return false;
    return cpu < CPUS_MAX && !child_sa_of_cpu(sa, f, cpu);
}

void terms_cpu_refused(struct ike_sa *sa, const struct conf_child *f)
{
    struct child_sa *c = child_sa_by_name(sa, f->name);
    if (c) c->cpus_at = ike_now(sa->ike) + REFUSED_NS;
}

void terms_cpu_unknown(struct ike_sa *sa, const struct conf_child *f)
{
    struct child_sa *c = child_sa_by_name(sa, f->name);
    if (!c || c->cpus_at == DUE_NEVER) return;
    c->cpus_at = DUE_NEVER;
    tell(sa->ike, sa, LOG_STORY, "the peer has no SAs for single CPUs: no more of %s", f->name);
}
