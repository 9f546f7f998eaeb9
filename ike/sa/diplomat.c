#include "ike/sa/diplomat.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

uint64_t ike_random_below(struct ike *ike, uint64_t limit)
{
    uint64_t r;
    ike->env.random(ike->env.ctx, &r, sizeof r);
    return limit ? r % limit : 0; // the bias does not matter for jitter
}

#define NONCE_LEN 32 // rfc7296 2.10 MUST: at least half the key size of the largest PRF (64)

void ike_random_nonce(struct ike *ike, struct nonce *n)
{
    n->len = NONCE_LEN;
    ike->env.random(ike->env.ctx, n->at, NONCE_LEN);
}

struct conn *ike_conn(const struct ike *ike, const char *name)
{
    return conns_named(&ike->conns, name);
}

struct ike_sa *ike_sa_by_id(const struct ike *ike, uint32_t id)
{
    const struct index_place *at = index_first(&ike->by_id, id);
    return at ? at->what : NULL;
}

// About strangers, in the long run and at once. An opening has some thirty lines of story, and one
// or two of warning if it fails; a gateway that starts has many peers to tell of.
static const struct {
    unsigned per_second, burst;
} rations[] = {{10, 200}, {100, 6000}};

static bool is_rationed(struct ike *ike, unsigned kind, unsigned lines)
{
    struct ration *r = &ike->rations[kind];
    uint64_t now = ike_now(ike), each = NSEC_PER_SEC / rations[kind].per_second;
    if (r->until < now) r->until = now;
    bool full = r->until - now > (rations[kind].burst - 1) * each;
    if (full) {
        r->left_out += lines;
    } else {
        r->until += lines * each;
    }
    return full;
}

// The first line that may be said again says how many may not.
static void tell_left_out(struct ike *ike, unsigned kind, enum log_level level)
{
    char sentence[128];
    unsigned n = ike->rations[kind].left_out;
    if (!n) return;
    ike->rations[kind].left_out = 0;
    (void)snprintf(sentence, sizeof sentence,
                   "%u lines about peers that had not authenticated were left out", n);
    ike->env.tell(ike->env.ctx, level, NULL, sentence);
}

enum log_level tell_level(const struct ike_sa *sa, enum log_level level, unsigned lines)
{
    bool stranger = sa && !sa->initiator && !sa->up_at;
    if (!stranger || level > LOG_STORY) return level;
    unsigned kind = level == LOG_STORY;
    if (is_rationed(sa->ike, kind, lines)) return LOG_DEBUG;
    tell_left_out(sa->ike, kind, level);
    return level;
}

void tell(struct ike *ike, const struct ike_sa *sa, enum log_level level, const char *fmt, ...)
{
    char sentence[1024];
    va_list ap;
    level = tell_level(sa, level, 1);
    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    ike->env.tell(ike->env.ctx, level, sa, sentence);
}

void tell_alert(struct ike *ike, const struct ike_sa *sa, enum alert kind)
{
    if (ike->env.alert) ike->env.alert(ike->env.ctx, kind, sa);
}

void tell_event(enum ike_event_kind kind, const struct ike_sa *sa, const struct child_sa *child)
{
    const struct env *env = &sa->ike->env;
    if (kind == IKE_EV_REKEYED) {
        counters_add(&sa->ike->counters, ike_sa_name(sa),
                     sa->initiator ? COUNTER_IKE_REKEY_INIT : COUNTER_IKE_REKEY_RESP);
    }
    if (kind == CHILD_EV_REKEYED)
        counters_add(&sa->ike->counters, ike_sa_name(sa), COUNTER_CHILD_REKEY);
    if (env->event) env->event(env->ctx, kind, sa, child);
}
