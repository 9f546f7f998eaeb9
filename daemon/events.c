#include "daemon/events.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/commands.h"
#include "daemon/sa_show.h"
#include "daemon/updown.h"
#include "ike/sa/child_sa.h"

const char *const events_names[] = {
    "log",          "control-log",    "list-sa",    "list-policy", "list-conn",
    "list-cert",    "list-authority", "ike-updown", "ike-rekey",   "ike-update",
    "child-updown", "child-rekey",    "alert",      NULL,
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

// The key really is called "ikesa-uniqued" in the protocol.
static void put_line(struct vici_msg *m, const char *group, unsigned level, bool with_thread,
                     const struct ike_sa_view *v, const char *line)
{
    vici_kv(m, "group", "%s", group);
    vici_kv(m, "level", "%u", level);
    if (with_thread) vici_kv(m, "thread", "1"); // there is but one
    if (v) {
        vici_kv(m, "ikesa-name", "%s", sa_show_name(v));
        vici_kv(m, "ikesa-uniqued", "%u", v->id);
    }
    vici_kv(m, "msg", "%s", line);
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
    if (!d->vici || (!d->acts && !vici_event_wanted(d->vici, "log"))) return;
    struct vici_msg m = {0}, control = {0};
    unsigned n = vici_level(level);
    put_line(&m, "IKE", n, true, sa ? &v : NULL, sentence);
    if (n <= 1) vici_event(d->vici, "log", &m);
    vici_msg_done(&m);
    put_line(&control, "IKE", n, false, sa ? &v : NULL, sentence);
    commands_tell(d, n, sa ? sa_show_name(&v) : NULL, &control);
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
    if (!pthread_equal(pthread_self(), d->thread) || d->telling || !d->vici) return;
    if (vici_level(level) > 1 || !vici_event_wanted(d->vici, "log")) return;
    struct vici_msg m = {0};
    put_line(&m, group_of(subject), vici_level(level), true, NULL, line);
    vici_event(d->vici, "log", &m);
    vici_msg_done(&m);
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

// The IKE SA that an heir has taken over from: the latest one before it between the same two.
struct elder_search {
    struct ike_sa_view heir, elder; // elder.id 0: not found
};

static bool note_elder(void *ctx, const struct ike_sa_view *v, const struct ike_sa *sa)
{
    (void)sa;
    struct elder_search *s = ctx;
    bool fits = v->id < s->heir.id && v->id > s->elder.id &&
                strcmp(sa_show_name(v), sa_show_name(&s->heir)) == 0 &&
                id_eq(&v->remote_id, &s->heir.remote_id);
    if (fits) s->elder = *v;
    return true;
}

static void ike_rekeyed(struct iked *d, const struct ike_sa *heir)
{
    struct vici_msg m = {0};
    struct elder_search s = {0};
    ike_sa_show(d->ike, heir, &s.heir);
    ike_each(d->ike, note_elder, &s);
    vici_section(&m, sa_show_name(&s.heir));
    if (s.elder.id) {
        s.elder.state = IKE_VIEW_REKEYING; // what it was until a moment ago
        vici_section(&m, "old");
        sa_show_ike(&m, &s.elder);
        vici_section_end(&m);
    }
    vici_section(&m, "new");
    sa_show_ike(&m, &s.heir);
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
