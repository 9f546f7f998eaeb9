#include "cli/act.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/paint.h"
#include "cli/say.h"

#define TIMEOUT_MAX 86400 // seconds: nobody waits longer than a day

// false: not a number of seconds.
static bool timeout_read(const struct args *a, unsigned *out)
{
    const char *s = args_get(a, "--timeout");
    char *end = NULL;
    *out = 0;
    if (!s) return true;
    unsigned long v = strtoul(s, &end, 10);
    if (*s >= '0' && *s <= '9' && !*end && v > 0 && v <= TIMEOUT_MAX) {
        *out = (unsigned)v;
        return true;
    }
    say_error("--timeout takes a number of seconds from 1 to %d, not '%s'", TIMEOUT_MAX, s);
    return false;
}

struct vici_client *act_open(const struct args *a)
{
    unsigned timeout;
    return timeout_read(a, &timeout) ? control_open(a) : NULL;
}

int act_each(const struct args *a,
             bool (*one)(struct vici_client *c, const struct args *a, const char *name))
{
    struct vici_client *c = act_open(a);
    if (!c) return CLI_FAILED;
    bool ok = true;
    for (unsigned i = 0; i < a->words; i++) ok &= one(c, a, a->word[i]);
    vici_close(c);
    return ok ? CLI_OK : CLI_FAILED;
}

bool act_run(struct vici_client *c, const struct args *a, struct control_act *act, const char *done)
{
    bool json = args_get(a, "--json") != NULL;
    act->quiet = json || args_get(a, "--quiet");
    if (!timeout_read(a, &act->timeout_s)) return false;
    json_t *answer = control_act(c, act);
    bool ok = control_succeeded(answer);
    const char *name = act->child ? act->child : act->ike;
    if (json && answer) {
        (void)json_object_set_new(answer, "name", json_string(name));
        json_print(json_incref(answer));
    }
    if (ok && !act->quiet) printf("%s%s is %s%s\n", paint(GREEN), name, done, paint(PLAIN));
    (void)fflush(stdout);
    json_decref(answer);
    return ok;
}
