// strongswan_log.c - charon's loggers: filelog, syslog, and the journal of charon-systemd.
#include <stdlib.h>
#include <string.h>

#include "conf/issue.h"
#include "conf/strongswanx.h"
#include "conf/value.h"

#define LEVEL_LEAST (-1) // silent
#define LEVEL_MOST 4

// charon has more; what they would say is said here by one of these, or not at all.
static const char *const groups[SWAN_GROUPS] = {[SWAN_DMN] = "dmn",
                                                [SWAN_IKE] = "ike",
                                                [SWAN_CFG] = "cfg",
                                                [SWAN_KNL] = "knl",
                                                [SWAN_NET] = "net"};

static const char *text_of(const struct tree *t, const struct node *n, const char *key)
{
    const struct setting *s = n ? tree_setting(t, n, key) : NULL;
    return s && s->value.len ? s->value.text : NULL;
}

static bool yes_of(const struct tree *t, const struct node *n, const char *key, bool dflt)
{
    const char *text = text_of(t, n, key);
    return text ? value_is_yes(text) : dflt;
}

static char *copy(struct strongswan *s, const char *text)
{
    return text ? arena_str(&s->arena, text, strlen(text)) : NULL;
}

static int level_of(const struct tree *t, const struct node *n, const char *key, int dflt,
                    struct conf_issues *issues)
{
    char *end;
    const char *text = text_of(t, n, key);
    long level = text ? strtol(text, &end, 10) : dflt;
    if (!text || (!*end && level >= LEVEL_LEAST && level <= LEVEL_MOST)) return (int)level;
    const struct setting *s = tree_setting(t, n, key);
    issue_error(issues, s->at, s->key, "'%s' is no level of a log", text);
    issue_hint(issues, "write a number from %d (silent) to %d", LEVEL_LEAST, LEVEL_MOST);
    return dflt;
}

static void read_levels(const struct tree *t, const struct node *n, struct strongswan_log *log,
                        struct conf_issues *issues)
{
    int dflt = level_of(t, n, "default", 1, issues);
    for (unsigned i = 0; i < SWAN_GROUPS; i++)
        log->level[i] = (signed char)level_of(t, n, groups[i], dflt, issues);
    log->names = yes_of(t, n, "ike_name", false);
}

static struct strongswan_log *log_new(struct strongswan *s, const struct node *n,
                                      struct conf_issues *issues)
{
    if (s->log_n < STRONGSWAN_LOGS_MAX) return &s->log[s->log_n++];
    issue_error(issues, n->at, n->name, "this is one log too many");
    issue_hint(issues, "at most %u, of filelog and syslog together", STRONGSWAN_LOGS_MAX);
    return NULL;
}

static void read_file(const struct tree *t, const struct node *n, struct strongswan *s,
                      struct conf_issues *issues)
{
    const char *path = text_of(t, n, "path");
    if (!path) path = n->name;
    if (strcmp(path, "stderr") == 0 || strcmp(path, "stdout") == 0) return; // there is one already
    if (path[0] != '/') {
        issue_error(issues, n->at, n->name, "'%s' is no file to log to", path);
        issue_hint(issues, "write path = and an absolute path in it");
        return;
    }
    struct strongswan_log *log = log_new(s, n, issues);
    if (!log) return;
    read_levels(t, n, log, issues);
    log->path = copy(s, path);
    log->time_format = copy(s, text_of(t, n, "time_format"));
    log->milliseconds = yes_of(t, n, "time_add_ms", false);
    const char *precision = text_of(t, n, "time_precision");
    if (precision && strcmp(precision, "ms") == 0) log->milliseconds = true;
    log->append = yes_of(t, n, "append", true);
}

static void read_syslog(const struct tree *t, const struct node *n, struct strongswan *s,
                        struct conf_issues *issues)
{
    static const char *const known[] = {"daemon", "auth",   "local0", "local1", "local2",
                                        "local3", "local4", "local5", "local6", "local7"};
    bool good = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        good |= strcmp(n->name, known[i]) == 0;
    if (!good) {
        issue_error(issues, n->at, n->name, "'%s' is no facility of syslog", n->name);
        issue_hint(issues, "daemon, auth, or local0 to local7");
        return;
    }
    struct strongswan_log *log = log_new(s, n, issues);
    if (!log) return;
    read_levels(t, n, log, issues);
    // As in strongSwan, this is where private things go.
    log->facility = copy(s, strcmp(n->name, "auth") == 0 ? "authpriv" : n->name);
}

static void read_daemon(const struct tree *t, const struct node *daemon, struct strongswan *s,
                        struct conf_issues *issues)
{
    const struct node *files = tree_sub(t, daemon, "filelog");
    const struct node *syslog = tree_sub(t, daemon, "syslog");
    const struct node *journal = tree_sub(t, daemon, "journal");
    for (const struct node *n = files ? files->subs : NULL; n; n = n->next)
        read_file(t, n, s, issues);
    for (const struct node *n = syslog ? syslog->subs : NULL; n; n = n->next)
        read_syslog(t, n, s, issues);
    if (!s->syslog_ident) s->syslog_ident = copy(s, text_of(t, syslog, "identifier"));
    if (journal && !s->journal_given) {
        s->journal_given = true;
        read_levels(t, journal, &s->journal, issues);
    }
}

void strongswan_logs(const struct tree *t, struct strongswan *s, struct conf_issues *issues)
{
    static const char *const daemons[] = {"charon-systemd", "charon"};
    for (size_t i = 0; i < 2; i++) {
        const struct node *n = tree_sub(t, t->root, daemons[i]);
        if (n) read_daemon(t, n, s, issues);
    }
}

bool strongswan_is_log(const char *path)
{
    static const char *const sections[] = {"filelog.", "syslog.", "journal."};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if (strncmp(path, sections[i], strlen(sections[i])) == 0) return true;
    }
    return false;
}
