// xfrm_monitor.c - pavise xfrm monitor: what happens to SAs and policies, as it happens, in plain
// words beside the text of `ip xfrm`.
#include "cli/xfrm_monitor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/json.h"
#include "cli/paint.h"
#include "cli/say.h"
#include "cli/xfrm_show.h"

#define SENTENCE_MAX 512

struct monitor {
    struct loop *loop;
    struct xfrm_client *client;
    const char *peer; // who is asked
    bool json, keys;
    uint64_t wanted, seen; // events; 0: no end
};

// ---- sentences ----

// Events of a replay state and of a move name their SA, and say no more of it.
static bool is_only_named(const struct xfrm_event *ev)
{
    return ev->kind == XFRM_EV_AE || ev->kind == XFRM_EV_MAPPING;
}

static void add_sa(struct clip *c, const struct xfrm_event *ev)
{
    const struct xfrm_sa *sa = ev->sa;
    char src[IP_TEXT_MAX], dst[IP_TEXT_MAX], proto[16];
    clip_add(c, "%s SA 0x%08x (", xfrm_show_proto(sa->proto, proto), sa->spi);
    if (!is_only_named(ev)) clip_add(c, "%s, ", xfrm_show_mode(sa->mode));
    clip_add(c, "%s > %s, reqid %u)", ip_show(&sa->saddr, src), ip_show(&sa->daddr, dst),
             sa->reqid);
}

static void add_selector(struct clip *c, const struct xfrm_selector *s)
{
    char src[PREFIX_TEXT_MAX], dst[PREFIX_TEXT_MAX], proto[16];
    clip_add(c, "%s > %s", prefix_show(&s->src, src), prefix_show(&s->dst, dst));
    if (s->proto) clip_add(c, " %s", xfrm_show_proto(s->proto, proto));
    if (s->dport_mask) clip_add(c, " to port %u", s->dport);
}

static void add_policy(struct clip *c, const struct xfrm_policy *p)
{
    static const char *const dirs[XFRM_DIRS] = {"inbound", "outbound", "forward"};
    clip_add(c, "%s policy ", p->dir < XFRM_DIRS ? dirs[p->dir] : "");
    add_selector(c, &p->sel);
    clip_add(c, " (priority %u)", p->priority);
}

static bool is_of_sa(const struct xfrm_event *ev)
{
    const enum xfrm_event_kind k = ev->kind;
    return ev->sa && (k == XFRM_EV_SA_NEW || k == XFRM_EV_SA_UPD || k == XFRM_EV_SA_DEL ||
                      k == XFRM_EV_EXPIRE || k == XFRM_EV_MAPPING || k == XFRM_EV_AE);
}

static bool is_of_policy(const struct xfrm_event *ev)
{
    const enum xfrm_event_kind k = ev->kind;
    return ev->policy && (k == XFRM_EV_POL_NEW || k == XFRM_EV_POL_UPD || k == XFRM_EV_POL_DEL ||
                          k == XFRM_EV_POLEXPIRE);
}

// An event, what is said of it, and what its word is in JSON.
struct wording {
    const char *word;
    const char *before, *behind; // of the SA or policy
    enum paint colour;
};

static const struct wording wordings[] = {
    [XFRM_EV_ACQUIRE] = {"acquire", "", "", YELLOW},
    [XFRM_EV_EXPIRE] = {"expire", "", "", YELLOW},
    [XFRM_EV_POLEXPIRE] = {"policy-expire", "the lifetime of the ", " is over", YELLOW},
    [XFRM_EV_SA_NEW] = {"sa-added", "new: ", "", GREEN},
    [XFRM_EV_SA_UPD] = {"sa-changed", "changed: ", "", GREEN},
    [XFRM_EV_SA_DEL] = {"sa-deleted", "gone: ", "", RED},
    [XFRM_EV_SA_FLUSH] = {"sa-flushed", "all SAs are gone", "", RED},
    [XFRM_EV_POL_NEW] = {"policy-added", "new: ", "", GREEN},
    [XFRM_EV_POL_UPD] = {"policy-changed", "changed: ", "", GREEN},
    [XFRM_EV_POL_DEL] = {"policy-deleted", "gone: ", "", RED},
    [XFRM_EV_POL_FLUSH] = {"policy-flushed", "all policies are gone", "", RED},
    [XFRM_EV_MAPPING] = {"moved", "", "", YELLOW},
    [XFRM_EV_AE] = {"replay-state", "replay state of ", "", DIM},
    [XFRM_EV_MIGRATE] = {"migrated", "moved to other addresses: the policy ", "", YELLOW},
    [XFRM_EV_DEFAULT] = {"default", "what meets packets without a policy has changed", "", YELLOW},
};

static void add_need(struct clip *c, const struct xfrm_event *ev)
{
    char src[IP_TEXT_MAX], dst[IP_TEXT_MAX], proto[16];
    clip_add(c, "a packet ");
    add_selector(c, &ev->trigger);
    clip_add(c, " needs an SA");
    if (ev->tmpl)
        clip_add(c, ": %s %s, %s > %s, reqid %u", xfrm_show_proto(ev->tmpl->proto, proto),
                 xfrm_show_mode(ev->tmpl->mode), ip_show(&ev->tmpl->saddr, src),
                 ip_show(&ev->tmpl->daddr, dst), ev->tmpl->reqid);
}

static void sentence(const struct xfrm_event *ev, char buf[SENTENCE_MAX])
{
    char place[ENDPOINT_TEXT_MAX];
    struct clip c = clip_on(buf, SENTENCE_MAX);
    const struct wording *w = &wordings[ev->kind];
    if (ev->kind == XFRM_EV_ACQUIRE) add_need(&c, ev);
    clip_add(&c, "%s", w->before);
    if (is_of_sa(ev)) add_sa(&c, ev);
    if (is_of_policy(ev)) add_policy(&c, ev->policy);
    if (ev->kind == XFRM_EV_MIGRATE && ev->migrate) add_selector(&c, &ev->migrate->sel);
    if (ev->kind == XFRM_EV_EXPIRE)
        clip_add(&c, "%s",
                 ev->hard ? ": its hard lifetime is over, and so is the SA"
                          : ": its soft lifetime is over, time for new keys");
    if (ev->kind == XFRM_EV_MAPPING)
        clip_add(&c, ": the peer's packets come from %s now", endpoint_show(&ev->new_peer, place));
    clip_add(&c, "%s", w->behind);
}

// ---- for people ----

static void print_time(void)
{
    struct timespec now;
    struct tm tm = {0};
    char text[16] = "";
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (localtime_r(&now.tv_sec, &tm)) (void)strftime(text, sizeof text, "%H:%M:%S", &tm);
    printf("%s%s.%03ld%s ", paint(DIM), text, now.tv_nsec / 1000000, paint(PLAIN));
}

static void print_event(const struct monitor *m, const struct xfrm_event *ev)
{
    char text[SENTENCE_MAX];
    struct fields f = {.keys = m->keys};
    sentence(ev, text);
    print_time();
    printf("%s%s%s\n", paint(wordings[ev->kind].colour), text, paint(PLAIN));
    if (is_of_sa(ev) && !is_only_named(ev)) xfrm_show_sa(&f, ev->sa);
    if (is_of_policy(ev)) xfrm_show_policy(&f, ev->policy);
}

// ---- for programs ----

static json_t *event_json(const struct monitor *m, const struct xfrm_event *ev)
{
    char text[SENTENCE_MAX], place[ENDPOINT_TEXT_MAX];
    sentence(ev, text);
    json_t *j = json_pack("{s:I, s:s, s:s}", "time_ns", (json_int_t)clock_wall_ns(), "event",
                          wordings[ev->kind].word, "text", text);
    if (!j) return NULL;
    if (is_of_sa(ev)) (void)json_object_set_new(j, "sa", xfrm_show_sa_json(ev->sa, m->keys));
    if (is_only_named(ev)) (void)json_object_del(json_object_get(j, "sa"), "mode");
    if (is_of_policy(ev)) (void)json_object_set_new(j, "policy", xfrm_show_policy_json(ev->policy));
    if (ev->kind == XFRM_EV_EXPIRE || ev->kind == XFRM_EV_POLEXPIRE)
        (void)json_object_set_new(j, "hard", json_boolean(ev->hard));
    if (ev->kind == XFRM_EV_ACQUIRE)
        (void)json_object_set_new(j, "packet", xfrm_show_selector_json(&ev->trigger));
    if (ev->kind == XFRM_EV_MAPPING)
        (void)json_object_set_new(j, "peer", json_string(endpoint_show(&ev->new_peer, place)));
    return j;
}

// ---- the loop ----

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    struct monitor *m = ctx;
    if ((size_t)ev->kind >= sizeof wordings / sizeof *wordings) return;
    if (m->wanted && m->seen == m->wanted) return; // more of one datagram
    if (m->json)
        json_print_line(event_json(m, ev));
    else
        print_event(m, ev);
    (void)fflush(stdout);
    if (++m->seen == m->wanted) loop_stop(m->loop);
}

static void on_return(void *ctx)
{
    const struct monitor *m = ctx;
    say_error("%s had gone and is back: what happened meanwhile is not known", m->peer);
}

static bool count_read(const struct args *a, uint64_t *out)
{
    char *end;
    const char *word = args_get(a, "--count");
    if (!word) return true;
    *out = strtoull(word, &end, 10);
    if (*word >= '0' && *word <= '9' && !*end && *out > 0 && *out <= UINT32_MAX) return true;
    say_error("--count takes a number from 1 on, not '%s'", word);
    return false;
}

static err_t open_client(struct monitor *m, const struct args *a, struct why *why)
{
    const bool kernel = args_get(a, "--kernel") != NULL;
    const struct xfrm_client_options o = {.peer = kernel ? XFRM_PEER_KERNEL : XFRM_PEER_XFRMD,
                                          .name = args_get(a, "--socket"),
                                          .groups = XFRM_GROUPS_ALL};
    m->peer = kernel ? "the kernel" : "pavise-xfrmd";
    m->loop = loop_new();
    if (!m->loop) return why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    return xfrm_client_open_with(&o, m->loop, on_event, m, &m->client, why);
}

int xfrm_monitor(const struct args *a)
{
    struct monitor m = {.json = args_get(a, "--json") != NULL,
                        .keys = args_get(a, "--show-keys") != NULL};
    struct why why = {{0}};
    if (!count_read(a, &m.wanted)) return CLI_USAGE;
    const err_t e = open_client(&m, a, &why);
    if (e == ERR_OK) {
        xfrm_client_on_return(m.client, on_return, &m);
        (void)fprintf(stderr, "listening to %s\n", m.peer);
        loop_run(m.loop);
    } else {
        say_error("%s", why.text[0] ? why.text : err_text(e));
        say_hint(e == ERR_PERMISSION ? "run this command as root"
                                     : "start pavise-xfrmd, or listen to the kernel with --kernel");
    }
    xfrm_client_close(m.client);
    if (m.loop) loop_free(m.loop);
    return e == ERR_OK ? CLI_OK : CLI_FAILED;
}
