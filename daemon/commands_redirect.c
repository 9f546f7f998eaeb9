// commands_redirect.c - redirect: clients go to another gateway (RFC 5685).
#include <stdio.h>
#include <string.h>

#include "daemon/commands.h"

// An address, a prefix, or two addresses with '-' between them.
static err_t range_parse(const char *text, ip_t *lo, ip_t *hi)
{
    char first[COMMAND_NAME_MAX];
    const char *dash = strchr(text, '-');
    prefix_t p;
    if (!dash && !strchr(text, '/')) {
        TRY(ip_parse(text, lo));
        *hi = *lo;
        return ERR_OK;
    }
    if (!dash) {
        TRY(prefix_parse(text, &p));
        prefix_range(&p, lo, hi);
        return ERR_OK;
    }
    (void)snprintf(first, sizeof first, "%.*s", (int)(dash - text), text);
    TRY(ip_parse(first, lo));
    TRY(ip_parse(dash + 1, hi));
    return lo->family == hi->family ? ERR_OK : ERR_SYNTAX;
}

struct words {
    char ike[COMMAND_NAME_MAX], ip[COMMAND_NAME_MAX], id[COMMAND_NAME_MAX], to[COMMAND_NAME_MAX];
    struct id peer;
};

// What is wrong; NULL: nothing.
static const char *read_words(span_t args, struct words *w, struct ike_redirect *out)
{
    int64_t ike_id;
    bool ok = commands_str(args, "ike", w->ike) && commands_str(args, "peer-ip", w->ip) &&
              commands_str(args, "peer-id", w->id) && commands_str(args, "gateway", w->to) &&
              commands_number(args, "ike-id", &ike_id) && ike_id >= 0 && ike_id <= UINT32_MAX;
    if (!ok) return "invalid redirect selector";
    if (!w->to[0]) return "missing target gateway";
    *out = (struct ike_redirect){.gateway = w->to};
    out->choice.ike = w->ike[0] ? w->ike : NULL;
    out->choice.ike_id = (uint32_t)ike_id;
    if (w->ip[0] && range_parse(w->ip, &out->lo, &out->hi) != ERR_OK)
        return "invalid peer IP selector";
    if (w->id[0] && id_parse(w->id, &w->peer, NULL) != ERR_OK) return "invalid peer identity";
    out->peer = w->id[0] ? &w->peer : NULL;
    return NULL;
}

void commands_redirect(void *ctx, struct vici_call *call, span_t args)
{
    struct iked *d = ctx;
    struct words w = {0};
    struct ike_redirect what;
    unsigned matches = 0;
    struct vici_msg m = {0};
    const char *wrong = read_words(args, &w, &what);
    if (!wrong && ike_redirect(d->ike, &what, &matches) != ERR_OK)
        wrong = "the gateway must be an IP address or a DNS name";
    if (!wrong && !matches) wrong = "no matching SAs to redirect found";
    vici_kv(&m, "success", "%s", wrong ? "no" : "yes");
    vici_kv(&m, "matches", "%u", matches);
    if (wrong) vici_kv(&m, "errmsg", "%s", wrong);
    vici_answer(call, &m);
    iked_rearm(d);
}
