// explain_kernel.c - what would become of a packet in the Linux kernel's XFRM: its policies and SAs
// are read into databases of our own, and judged by the code that judges pavise-xfrmd's (RFC 4301
// 5).
#include "cli/explain.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "cli/json.h"
#include "daemon/xfrmd_explain.h"
#include "netlink/client.h"
#include "xfrm/control.h"

#define PICTURE_MAX 20000 // policies, and SAs; with more it takes long, and is refused
#define NO_DEVICE 65535   // the kernel leads packets through no device of its own: no limit

// Both as the kernel tells them: the youngest first.
struct picture {
    unsigned sas, policies;
    struct xfrm_sa *sa;
    struct xfrm_policy *policy;
    bool full; // too many, or out of memory
};

static void picture_done(struct picture *p)
{
    if (p->sa) wipe(p->sa, p->sas * sizeof *p->sa);
    free(p->sa);
    free(p->policy);
}

// Room for one more in an array that doubles; NULL: none.
static void *roomy(void *array, unsigned n, size_t size)
{
    if (n == PICTURE_MAX) return NULL;
    if (n && (n & (n - 1))) return array;
    void *more = calloc(n ? 2UL * n : 1, size);
    if (!more || !array) return more;
    memcpy(more, array, n * size);
    wipe(array, n * size);
    free(array);
    return more;
}

static bool keep_sa(void *arg, const struct xfrm_sa *x)
{
    struct picture *p = arg;
    struct xfrm_sa *all = roomy(p->sa, p->sas, sizeof *all);
    p->full |= !all;
    if (!all) return false;
    p->sa = all;
    p->sa[p->sas++] = *x;
    return true;
}

static bool keep_policy(void *arg, const struct xfrm_policy *x)
{
    struct picture *p = arg;
    struct xfrm_policy *all = roomy(p->policy, p->policies, sizeof *all);
    p->full |= !all;
    if (!all) return false;
    p->policy = all;
    p->policy[p->policies++] = *x;
    return true;
}

static err_t picture_take(struct picture *p, uint8_t defaults[XFRM_DIRS], struct why *why)
{
    const struct xfrm_client_options o = {.peer = XFRM_PEER_KERNEL};
    struct xfrm_client *c = NULL;
    TRY(xfrm_client_open_with(&o, NULL, NULL, NULL, &c, why));
    struct xfrm_api api = xfrm_client_api(c);
    err_t e = api.ops->policy_each(api.ctx, keep_policy, p);
    if (e == ERR_OK) e = api.ops->sa_each(api.ctx, keep_sa, p);
    if (e == ERR_OK && api.ops->defaults_get(api.ctx, defaults) != ERR_OK)
        memset(defaults, XFRM_DEFAULT_ACCEPT, XFRM_DIRS); // kernels before 5.15 have no others
    xfrm_client_close(c);
    if (p->full) return why_not(why, ERR_LIMIT, "more than %u policies or SAs", PICTURE_MAX);
    return e == ERR_OK ? e : why_not(why, e, "the kernel's databases: %s", err_text(e));
}

// The oldest first, as they came into the kernel. What cannot be read in is counted: it carries an
// algorithm that is not known here.
static unsigned fill(struct xfrm_api api, const struct picture *p, const uint8_t *defaults)
{
    unsigned strange = 0;
    IGNORE(api.ops->defaults_set(api.ctx, defaults)); // they are the kernel's, so they are fine
    for (unsigned i = p->policies; i-- > 0;) {
        struct xfrm_policy one = p->policy[i];
        one.index = 0;
        strange += api.ops->policy_add(api.ctx, &one, false, NULL) != ERR_OK;
    }
    for (unsigned i = p->sas; i-- > 0;) {
        struct xfrm_sa *x = &p->sa[i];
        if (x->larval) continue;
        strange += api.ops->sa_add(api.ctx, x, NULL) != ERR_OK;
    }
    return strange;
}

static json_t *ask(struct db *db, const char *question, struct why *why)
{
    const struct xfrmd_explain_conf conf = {.db = db, .tun_mtu = NO_DEVICE, .allow_clear_in = true};
    struct xfrmd_explain *e = NULL;
    if (xfrmd_explain_new(&conf, &e, why) != ERR_OK) return NULL;
    char *text = xfrmd_explain_answer(e, question, strlen(question));
    json_t *answer = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    xfrmd_explain_free(e);
    return answer;
}

static void no_event(void *ctx, const struct xfrm_event *ev)
{
    (void)ctx, (void)ev; // nobody listens
}

static json_t *judge(const struct picture *p, const uint8_t *defaults, const char *question,
                     struct why *why)
{
    json_t *answer = NULL;
    struct db *db = db_new();
    struct control *control = db ? control_new(db, no_event, NULL) : NULL;
    unsigned strange = 0;
    if (control) {
        control_allow_legacy(control);
        strange = fill(control_api(control), p, defaults);
        answer = ask(db, question, why);
    }
    if (answer) {
        (void)json_object_set_new(answer, "executor", json_string("kernel"));
        (void)json_object_set_new(answer, "not_read", json_integer(strange));
        (void)json_object_del(answer, "device_mtu");
    }
    control_free(control);
    db_free(db);
    return answer;
}

err_t explain_kernel(const char *question, json_t **out, struct why *why)
{
    struct picture p = {0};
    uint8_t defaults[XFRM_DIRS] = {0};
    rcu_register_thread();
    err_t e = picture_take(&p, defaults, why);
    if (e == ERR_OK) {
        *out = judge(&p, defaults, question, why);
        if (!*out) e = why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    picture_done(&p);
    rcu_unregister_thread();
    return e;
}
