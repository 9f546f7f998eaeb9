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

// A logger's section of charon-systemd, and charon's of the same name, which says what that leaves
// open. Either may be NULL.
struct pair {
    const struct node *at[2];
};

static const struct setting *setting_of(const struct tree *t, const struct pair *p, const char *key)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct setting *s = p->at[i] ? tree_setting(t, p->at[i], key) : NULL;
        if (s && s->value.len) return s;
    }
    return NULL;
}

static const struct node *node_of(const struct pair *p)
{
    return p->at[0] ? p->at[0] : p->at[1];
}

static const char *text_of(const struct tree *t, const struct pair *p, const char *key)
{
    const struct setting *s = setting_of(t, p, key);
    return s ? s->value.text : NULL;
}

static bool yes_of(const struct tree *t, const struct pair *n, const char *key, bool dflt)
{
    const char *text = text_of(t, n, key);
    return text ? value_is_yes(text) : dflt;
}

static char *copy(struct strongswan *s, const char *text)
{
    return text ? arena_str(&s->arena, text, strlen(text)) : NULL;
}

static int level_of(const struct tree *t, const struct pair *n, const char *key, int dflt,
                    struct conf_issues *issues)
{
    char *end;
    const struct setting *s = setting_of(t, n, key);
    if (!s) return dflt;
    const char *text = s->value.text;
    long level = strtol(text, &end, 10);
    if (!*end && level >= LEVEL_LEAST && level <= LEVEL_MOST) return (int)level;
    issue_error(issues, s->at, s->key, "'%s' is no level of a log", text);
    issue_hint(issues, "write a number from %d (silent) to %d", LEVEL_LEAST, LEVEL_MOST);
    return dflt;
}

static void read_levels(const struct tree *t, const struct pair *n, struct strongswan_log *log,
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

static void read_file(const struct tree *t, const struct pair *p, struct strongswan *s,
                      struct conf_issues *issues)
{
    const struct node *n = node_of(p);
    const char *path = text_of(t, p, "path");
    if (!path) path = n->name;
    if (strcmp(path, "stderr") == 0 || strcmp(path, "stdout") == 0) return; // there is one already
    if (path[0] != '/') {
        issue_error(issues, n->at, n->name, "'%s' is no file to log to", path);
        issue_hint(issues, "write path = and an absolute path in it");
        return;
    }
    struct strongswan_log *log = log_new(s, n, issues);
    if (!log) return;
    read_levels(t, p, log, issues);
    log->path = copy(s, path);
    log->time_format = copy(s, text_of(t, p, "time_format"));
    log->milliseconds = yes_of(t, p, "time_add_ms", false);
    const char *precision = text_of(t, p, "time_precision");
    if (precision && strcmp(precision, "ms") == 0) log->milliseconds = true;
    log->append = yes_of(t, p, "append", true);
}

static void read_syslog(const struct tree *t, const struct pair *p, struct strongswan *s,
                        struct conf_issues *issues)
{
    const struct node *n = node_of(p);
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
    read_levels(t, p, log, issues);
    // As in strongSwan, this is where private things go.
    log->facility = copy(s, strcmp(n->name, "auth") == 0 ? "authpriv" : n->name);
}

static const struct node *named(const struct node *n, const char *name)
{
    while (n && strcmp(n->name, name) != 0) n = n->next;
    return n;
}

typedef void read_fn(const struct tree *t, const struct pair *p, struct strongswan *s,
                     struct conf_issues *issues);

// All loggers of a kind, each once.
static void read_kind(const struct tree *t, const struct pair *kind, read_fn *read,
                      struct strongswan *s, struct conf_issues *issues)
{
    const struct node *ours = kind->at[0] ? kind->at[0]->subs : NULL;
    const struct node *charons = kind->at[1] ? kind->at[1]->subs : NULL;
    for (const struct node *n = ours; n; n = n->next)
        read(t, &(struct pair){{n, named(charons, n->name)}}, s, issues);
    for (const struct node *n = charons; n; n = n->next) {
        if (!named(ours, n->name)) read(t, &(struct pair){{NULL, n}}, s, issues);
    }
}

static struct pair subs_of(const struct tree *t, const struct pair *p, const char *name)
{
    return (struct pair){{p->at[0] ? tree_sub(t, p->at[0], name) : NULL,
                          p->at[1] ? tree_sub(t, p->at[1], name) : NULL}};
}

void strongswan_logs(const struct tree *t, struct strongswan *s, struct conf_issues *issues)
{
    const struct pair all = {
        {tree_sub(t, t->root, "charon-systemd"), tree_sub(t, t->root, "charon")}};
    const struct pair files = subs_of(t, &all, "filelog"), syslog = subs_of(t, &all, "syslog");
    const struct pair journal = subs_of(t, &all, "journal");
    read_kind(t, &files, read_file, s, issues);
    read_kind(t, &syslog, read_syslog, s, issues);
    s->syslog_ident = copy(s, text_of(t, &syslog, "identifier"));
    s->journal_given = node_of(&journal) != NULL;
    if (s->journal_given) read_levels(t, &journal, &s->journal, issues);
}

bool strongswan_is_log(const char *path)
{
    static const char *const sections[] = {"filelog.", "syslog.", "journal."};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if (strncmp(path, sections[i], strlen(sections[i])) == 0) return true;
    }
    return false;
}
