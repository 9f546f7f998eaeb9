#include "daemon/events.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "daemon/commands.h"
#include "daemon/farp.h"
#include "daemon/sa_show.h"
#include "daemon/updown.h"
#include "ike/ids.h"
#include "ike/sa/child_sa.h"

const char *const events_names[] = {
    "log",       "control-log", "list-sa",        "list-policy",
    "list-conn", "list-cert",   "list-authority", "ike-updown",
    "ike-rekey", "ike-update",  "child-updown",   "child-rekey",
    "alert",     "list-log",    "list-whitelist", NULL,
};

// ---- the story ----

// strongSwan's log levels: 0 for what must be seen, 1 for the story, then more and more detail.
static unsigned vici_level(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
    case LOG_WARN:
        return 0;
    case LOG_STORY:
        return 1;
    case LOG_INFO:
        return 2;
    case LOG_DEBUG:
        return 3;
    }
    return 3;
}

// Of strongSwan's own keys: its documentation says ikesa-uniqued, its programs ikesa-uniqueid.
void events_put_line(struct vici_msg *m, const struct story_line *l, bool with_thread)
{
    vici_kv(m, "group", "%s", l->group);
    vici_kv(m, "level", "%u", l->level);
    if (with_thread) vici_kv(m, "thread", "1"); // there is but one
    if (l->sa) {
        vici_kv(m, "ikesa-name", "%s", l->name[0] ? l->name : SA_UNNAMED);
        vici_kv(m, "ikesa-uniqueid", "%u", l->sa);
    }
    vici_kv(m, "msg", "%s", l->text);
}

static uint64_t wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// What is kept, and told to those who follow.
static void keep(struct iked *d, const struct story_line *l)
{
    if (l->level > 1) return;
    if (d->story) story_add(d->story, l);
    if (!d->vici || !vici_event_wanted(d->vici, "log")) return;
    struct vici_msg m = {0};
    events_put_line(&m, l, true);
    vici_event(d->vici, "log", &m);
    vici_msg_done(&m);
}

void events_tell(struct iked *d, enum log_level level, const struct ike_sa *sa,
                 const char *sentence)
{
    struct ike_sa_view v = {0};
    char subject[SA_NAME_MAX] = "ike";
    if (sa) {
        ike_sa_show(d->ike, sa, &v);
        (void)snprintf(subject, sizeof subject, "%s[%u]", sa_show_name(&v), v.id);
    }
    d->telling = true;
    log_say(level, subject, "%s", sentence);
    d->telling = false;
    const char *shown = sa ? sa_show_name(&v) : SA_UNNAMED;
    const struct story_line l = {.at_ms = wall_ms(),
                                 .group = "IKE",
                                 .level = vici_level(level),
                                 .name = strcmp(shown, SA_UNNAMED) == 0 ? "" : shown,
                                 .sa = sa ? v.id : 0,
                                 .local = v.local.ip,
                                 .remote = v.remote.ip,
                                 .text = sentence};
    keep(d, &l);
    if (!d->vici || !d->acts) return;
    struct vici_msg control = {0};
    events_put_line(&control, &l, false);
    commands_tell(d, l.level, sa ? shown : NULL, &control);
    vici_msg_done(&control);
}

static const char *group_of(const char *subject)
{
    static const struct {
        const char *subject, *group;
    } known[] = {{"net", "NET"}, {"conf", "CFG"}, {"xfrm", "KNL"}, {"netlink", "KNL"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].subject, subject) == 0) return known[i].group;
    }
    return "DMN";
}

void events_log(void *ctx, enum log_level level, const char *subject, const char *line)
{
    struct iked *d = ctx;
    // Other threads must not touch the server; what they say is on stderr.
    if (!pthread_equal(pthread_self(), d->thread) || d->telling) return;
    const struct story_line l = {.at_ms = wall_ms(),
                                 .group = group_of(subject),
                                 .level = vici_level(level),
                                 .name = "",
                                 .text = line};
    keep(d, &l);
}

// ---- ups and downs ----

struct child_section {
    struct vici_msg *m;
    const char *name; // NULL: "<name>-<id>"
    uint32_t id;      // 0: the one that comes
};

static bool put_child(void *ctx, const struct child_sa_view *v)
{
    const struct child_section *s = ctx;
    char own[SA_NAME_MAX];
    if (s->id && v->id != s->id) return true;
    (void)snprintf(own, sizeof own, "%s-%u", v->name, v->id);
    vici_section(s->m, s->name ? s->name : own);
    sa_show_child(s->m, v);
    vici_section_end(s->m);
    return false;
}

static void ike_updown(struct iked *d, const struct ike_sa *sa, bool up)
{
    struct vici_msg m = {0};
    struct ike_sa_view v;
    ike_sa_show(d->ike, sa, &v);
    if (up) {
        vici_kv(&m, "up", "yes");
    } else {
        v.state = IKE_VIEW_DELETING; // however it ended
    }
    vici_section(&m, sa_show_name(&v));
    sa_show_ike(&m, &v);
    vici_section_end(&m);
    vici_event(d->vici, "ike-updown", &m);
    vici_msg_done(&m);
}

static void child_updown(struct iked *d, const struct ike_sa *sa, const struct child_sa *child,
                         bool up)
{
    struct vici_msg m = {0};
    struct ike_sa_view v;
    ike_sa_show(d->ike, sa, &v);
    if (up) vici_kv(&m, "up", "yes");
    vici_section(&m, sa_show_name(&v));
    sa_show_ike(&m, &v);
    vici_section(&m, "child-sas");
    ike_child_show(d->ike, child, put_child, &(struct child_section){.m = &m});
    vici_section_end(&m);
    vici_section_end(&m);
    vici_event(d->vici, "child-updown", &m);
    vici_msg_done(&m);
}

static void child_rekeyed(struct iked *d, const struct ike_sa *sa, const struct child_sa *child)
{
    struct vici_msg m = {0};
    struct ike_sa_view v;
    ike_sa_show(d->ike, sa, &v);
    vici_section(&m, sa_show_name(&v));
    sa_show_ike(&m, &v);
    vici_section(&m, "child-sas");
    vici_section(&m, child->conf->name);
    struct child_section old = {&m, "old", child->replaces}, new = {&m, "new", 0};
    if (old.id) ike_each_child(d->ike, sa, put_child, &old);
    ike_child_show(d->ike, child, put_child, &new);
    vici_section_end(&m);
    vici_section_end(&m);
    vici_section_end(&m);
    vici_event(d->vici, "child-rekey", &m);
    vici_msg_done(&m);
}

static bool show_elder(void *ctx, const struct ike_sa_view *v, const struct ike_sa *sa)
{
    struct ike_sa_view elder = *v;
    (void)sa;
    elder.state = IKE_VIEW_REKEYING; // what it was until a moment ago
    vici_section(ctx, "old");
    sa_show_ike(ctx, &elder);
    vici_section_end(ctx);
    return true;
}

static void ike_rekeyed(struct iked *d, const struct ike_sa *sa)
{
    struct vici_msg m = {0};
    struct ike_sa_view heir;
    ike_sa_show(d->ike, sa, &heir);
    vici_section(&m, sa_show_name(&heir));
    ike_one(d->ike, heir.parent, show_elder, &m);
    vici_section(&m, "new");
    sa_show_ike(&m, &heir);
    vici_section_end(&m);
    vici_section_end(&m);
    vici_event(d->vici, "ike-rekey", &m);
    vici_msg_done(&m);
}

// Anybody can send garbage: who watches shall not drown in it.
#define ALERTS_MAX 200 // in one second

static bool is_flood(struct iked *d)
{
    uint64_t second = clock_mono() / NSEC_PER_SEC;
    if (second != d->alert_second) d->alerts = 0;
    d->alert_second = second;
    return ++d->alerts > ALERTS_MAX;
}

void events_alert(struct iked *d, enum alert kind, const struct ike_sa *sa)
{
    static const char *const names[] = {
#define X(symbol, name) [ALERT_##symbol] = name,
        ALERT_LIST(X)
#undef X
    };
    struct vici_msg m = {0};
    if (!d->vici || !vici_event_wanted(d->vici, "alert") || is_flood(d)) return;
    vici_kv(&m, "type", "%s", names[kind]);
    if (sa) {
        struct ike_sa_view v;
        ike_sa_show(d->ike, sa, &v);
        vici_section(&m, "ike-sa");
        vici_section(&m, sa_show_name(&v));
        sa_show_ike(&m, &v);
        vici_section_end(&m);
        vici_section_end(&m);
    }
    vici_event(d->vici, "alert", &m);
    vici_msg_done(&m);
}

// strongSwan tells it a moment before: at the top stand the new ends, in the section the old ones.
static void ike_moved(struct iked *d, const struct ike_sa *sa)
{
    struct vici_msg m = {0};
    struct ike_sa_view v;
    char ip[IP_TEXT_MAX];
    ike_sa_show(d->ike, sa, &v);
    vici_kv(&m, "local-host", "%s", ip_show(&v.local.ip, ip));
    vici_kv(&m, "local-port", "%u", v.local.port);
    vici_kv(&m, "remote-host", "%s", ip_show(&v.remote.ip, ip));
    vici_kv(&m, "remote-port", "%u", v.remote.port);
    v.local = v.was_local;
    v.remote = v.was_remote;
    vici_section(&m, sa_show_name(&v));
    sa_show_ike(&m, &v);
    vici_section_end(&m);
    vici_event(d->vici, "ike-update", &m);
    vici_msg_done(&m);
}

void events_sa(struct iked *d, enum ike_event_kind kind, const struct ike_sa *sa,
               const struct child_sa *child)
{
    if (kind == CHILD_EV_UP || kind == CHILD_EV_DOWN) updown_event(d, child, kind == CHILD_EV_UP);
    if (d->farp && (kind == CHILD_EV_UP || kind == CHILD_EV_DOWN))
        farp_child(d->farp, child, kind == CHILD_EV_UP);
    if (!d->vici) return;
    switch (kind) {
    case IKE_EV_UP:
    case IKE_EV_DOWN:
        if (vici_event_wanted(d->vici, "ike-updown")) ike_updown(d, sa, kind == IKE_EV_UP);
        return;
    case IKE_EV_REKEYED:
        if (vici_event_wanted(d->vici, "ike-rekey")) ike_rekeyed(d, sa);
        return;
    case IKE_EV_MOVED:
        if (vici_event_wanted(d->vici, "ike-update")) ike_moved(d, sa);
        return;
    case CHILD_EV_UP:
    case CHILD_EV_DOWN:
        if (vici_event_wanted(d->vici, "child-updown")) {
            child_updown(d, sa, child, kind == CHILD_EV_UP);
        }
        return;
    case CHILD_EV_REKEYED:
        if (vici_event_wanted(d->vici, "child-rekey")) child_rekeyed(d, sa, child);
        return;
    }
}
