// engine_trace.c - who looks at the packets of the workers: traces that begin and end.
#include <stdlib.h>

#include "xfrm/engine_part.h"

#define TRACE_RECORDS \
    1024                         // of a worker, on their way to the control thread: as many as come
                                 // in 10 ms at 100,000 packets a second
#define TRACE_MEMORY (16U << 20) // bytes of all workers' records; the longer they are, the fewer

struct engine_trace {
    struct engine *engine;
    struct trace_spec spec;
    unsigned place; // in struct traces
    unsigned next;  // whose records are taken first
    struct trace *of[WORKERS_MAX];
};

static unsigned records_for(const struct engine_trace *t)
{
    const size_t most = TRACE_MEMORY / t->engine->seats / trace_record_size(&t->spec);
    return most > TRACE_RECORDS ? TRACE_RECORDS : most < BURST_MAX ? BURST_MAX : (unsigned)most;
}

static bool parts_make(struct engine_trace *t)
{
    for (unsigned i = 0; i < t->engine->seats; i++) {
        t->of[i] = trace_new(&t->spec, records_for(t));
        if (!t->of[i]) return false;
    }
    return true;
}

static void parts_free(struct engine_trace *t)
{
    for (unsigned i = 0; i < t->engine->seats; i++) trace_free(t->of[i]);
    free(t);
}

// All workers have the same places in use.
static unsigned place_free(const struct engine *e)
{
    unsigned i = 0;
    while (i < TRACES_MAX && e->seat[0]->traces.of[i]) i++;
    return i;
}

static bool traces_empty(const struct traces *all)
{
    for (unsigned i = 0; i < TRACES_MAX; i++) {
        if (all->of[i]) return false;
    }
    return true;
}

err_t engine_trace_new(struct engine *e, const struct trace_spec *spec, struct engine_trace **out,
                       struct why *why)
{
    const unsigned place = place_free(e);
    if (place == TRACES_MAX)
        return why_not(why, ERR_LIMIT, "%d traces run already; one has to end first", TRACES_MAX);
    struct engine_trace *t = calloc(1, sizeof *t);
    if (!t) return why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    *t = (struct engine_trace){.engine = e, .spec = *spec, .place = place};
    if (!parts_make(t)) {
        parts_free(t);
        return why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    for (unsigned i = 0; i < e->seats; i++) {
        struct seat *s = e->seat[i];
        rcu_assign_pointer(s->traces.of[place], t->of[i]);
        rcu_assign_pointer(s->worker.traces, &s->traces);
    }
    *out = t;
    return ERR_OK;
}

void engine_trace_free(struct engine_trace *t)
{
    if (!t) return;
    for (unsigned i = 0; i < t->engine->seats; i++) {
        struct seat *s = t->engine->seat[i];
        rcu_assign_pointer(s->traces.of[t->place], NULL);
        if (traces_empty(&s->traces)) rcu_assign_pointer(s->worker.traces, NULL);
    }
    synchronize_rcu(); // workers may be in the midst of a burst
    parts_free(t);
}

struct trace_record *engine_trace_take(struct engine_trace *t)
{
    for (unsigned i = 0; i < t->engine->seats; i++) {
        struct trace_record *r = trace_take(t->of[t->next]);
        t->next = (t->next + 1) % t->engine->seats;
        if (r) return r;
    }
    return NULL;
}

void engine_trace_give(struct engine_trace *t, struct trace_record *r)
{
    trace_give(t->of[r->worker], r);
}

uint64_t engine_trace_lost(const struct engine_trace *t)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < t->engine->seats; i++) n += trace_lost(t->of[i]);
    return n;
}
