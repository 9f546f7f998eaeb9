// check.c - pavise check [FILE...]: every mistake in a configuration, where it is, what to write.
// A file called strongswan.conf is read as one.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/paint.h"
#include "cli/say.h"
#include "conf/config.h"
#include "conf/strongswan.h"

#define USUAL_FILE "/etc/swanctl/swanctl.conf" // where pavise-iked looks
#define DAEMON_FILE "strongswan.conf"          // the other file that it reads, by its last name

// ---- for people ----

// Characters, not bytes.
static unsigned length_of(const char *s)
{
    unsigned n = 0;
    for (; *s; s++) n += (*s & 0xc0) != 0x80;
    return n;
}

// The line with a mark below the token; tabs are kept so that the mark stands right.
static void print_source(const struct conf_issue *i)
{
    if (!i->source) return;
    printf("%s%5u |%s %s\n", paint(DIM), i->line, paint(PLAIN), i->source);
    printf("%s      |%s ", paint(DIM), paint(PLAIN));
    const char *s = i->source;
    for (unsigned column = 1; *s && column < i->column; s++) {
        if ((*s & 0xc0) == 0x80) continue;
        printf("%c", *s == '\t' ? '\t' : ' ');
        column++;
    }
    unsigned width = length_of(i->token), left = length_of(s);
    if (width > left) width = left; // the token may be a word for what is missing
    printf("%s^", paint(i->warning ? YELLOW : RED));
    for (; width > 1; width--) printf("~");
    printf("%s\n", paint(PLAIN));
}

static void print_issue(const struct conf_issue *i)
{
    printf("%s%s:%u:%u:%s %s%s:%s %s%s%s\n", paint(BOLD), i->file, i->line, i->column, paint(PLAIN),
           paint(i->warning ? YELLOW : RED), i->warning ? "warning" : "error", paint(PLAIN),
           paint(BOLD), i->what, paint(PLAIN));
    print_source(i);
    if (i->hint) printf("      %s= hint:%s %s\n", paint(CYAN), paint(PLAIN), i->hint);
}

static const char *plural(unsigned n)
{
    return n == 1 ? "" : "s";
}

static void print_good(const char *file, const struct config *c, unsigned warnings)
{
    unsigned children = 0, secrets = c->psk_n + c->eap_n + c->ntlm_n;
    for (unsigned i = 0; i < c->conn_n; i++) children += c->conn[i].child_n;
    printf("%s: %sok%s: %u connection%s, %u child%s, %u secret%s", file, paint(GREEN), paint(PLAIN),
           c->conn_n, plural(c->conn_n), children, children == 1 ? "" : "ren", secrets,
           plural(secrets));
    if (warnings)
        printf(", %s%u warning%s%s", paint(YELLOW), warnings, plural(warnings), paint(PLAIN));
    printf("\n");
}

static void print_bad(const char *file, const struct conf_issues *l)
{
    unsigned warnings = l->n > l->errors ? l->n - l->errors : 0;
    printf("%s: %s%u error%s%s", file, paint(RED), l->errors, plural(l->errors), paint(PLAIN));
    if (warnings) printf(", %u warning%s", warnings, plural(warnings));
    printf("; nothing of it would be loaded\n");
}

// ---- for programs ----

static json_t *issue_json(const struct conf_issue *i)
{
    return json_pack("{s:s, s:i, s:i, s:s, s:s, s:s, s:s?}", "file", i->file, "line", (int)i->line,
                     "column", (int)i->column, "severity", i->warning ? "warning" : "error",
                     "token", i->token, "what", i->what, "hint", i->hint);
}

static json_t *file_json(const char *file, bool ok, const struct conf_issues *l)
{
    json_t *issues = json_array();
    for (unsigned i = 0; i < l->n; i++) json_add(issues, issue_json(&l->issue[i]));
    return json_pack("{s:s, s:b, s:i, s:o}", "file", file, "ok", ok, "errors", (int)l->errors,
                     "issues", issues);
}

// ----

static bool is_daemon_file(const char *file)
{
    const char *slash = strrchr(file, '/');
    return strcmp(slash ? slash + 1 : file, DAEMON_FILE) == 0;
}

// What two files say that belongs together.
struct pair {
    const char
        *wants_radius; // file with a connection whose clients a RADIUS server proves; or NULL
    bool ok, has_radius;
};

// Such clients are all refused.
static void check_radius(const struct pair *p, json_t *all)
{
    const struct conf_issue i = {.file = p->wants_radius,
                                 .line = 1,
                                 .column = 1,
                                 .token = "eap-radius",
                                 .what = "auth = eap-radius, and no RADIUS server is configured",
                                 .hint = "in strongswan.conf: charon { plugins { eap-radius { "
                                         "server = ... secret = ... } } }",
                                 .warning = true};
    const struct conf_issues l = {.n = 1, .issue = (struct conf_issue[]){i}};
    if (!p->wants_radius || p->has_radius || !p->ok) return;
    if (all) json_add(all, file_json(p->wants_radius, true, &l));
    if (!all) print_issue(&i);
}

static bool wants_radius(const struct config *c)
{
    for (unsigned i = 0; c && i < c->conn_n; i++) {
        for (const struct conf_side *s = &c->conn[i].remote; s; s = s->next) {
            if (s->radius) return true;
        }
    }
    return false;
}

// As the daemon does: it goes on without.
static void check_triplets(const char *file, const struct strongswan *s, json_t *all)
{
    struct why why = {0};
    if (strongswan_triplets(s, &why) == ERR_OK) return;
    const struct conf_issue i = {.file = file,
                                 .line = 1,
                                 .column = 1,
                                 .token = "triplets",
                                 .what = why.text,
                                 .hint = "until that is right, no triplets of EAP-SIM are known",
                                 .warning = true};
    const struct conf_issues l = {.n = 1, .issue = (struct conf_issue[]){i}};
    if (all) json_add(all, file_json(file, true, &l));
    if (!all) print_issue(&i);
}

static bool check_daemon_file(const char *file, json_t *all, struct pair *p)
{
    struct strongswan s;
    AUTO(conf_issues) struct conf_issues l = {0};
    bool ok = strongswan_load(file, &s, &l) == ERR_OK;
    p->ok &= ok;
    p->has_radius |= s.radius.server_n > 0;
    if (all) {
        json_add(all, file_json(file, ok, &l));
    } else {
        for (unsigned i = 0; i < l.n; i++) print_issue(&l.issue[i]);
        if (!ok) print_bad(file, &l);
        if (ok) printf("%s: %sok%s\n", file, paint(GREEN), paint(PLAIN));
        if (ok && s.unused.len) printf("      of no effect here: %s\n", text_str(&s.unused));
    }
    if (ok) check_triplets(file, &s, all);
    strongswan_done(&s);
    return ok;
}

static bool check_file(const char *file, json_t *all, struct pair *p)
{
    if (is_daemon_file(file)) return check_daemon_file(file, all, p);
    struct config *c = NULL;
    AUTO(conf_issues) struct conf_issues l = {0};
    bool ok = config_load(file, &c, &l) == ERR_OK;
    if (all) {
        json_add(all, file_json(file, ok, &l));
    } else {
        for (unsigned i = 0; i < l.n; i++) print_issue(&l.issue[i]);
        if (ok) print_good(file, c, l.n);
        if (!ok) print_bad(file, &l);
    }
    if (wants_radius(c)) p->wants_radius = file;
    p->ok &= ok;
    config_free(c);
    return ok;
}

// What pavise-iked would read: a mistake in either keeps it from starting.
static bool check_usual(json_t *all)
{
    const char *other = getenv("STRONGSWAN_CONF");
    struct pair p = {.ok = true};
    bool ok = check_file(USUAL_FILE, all, &p);
    if (!other) other = "/etc/" DAEMON_FILE;
    if (access(other, F_OK) == 0) ok &= check_daemon_file(other, all, &p);
    check_radius(&p, all);
    return ok;
}

static int run(const struct args *a)
{
    json_t *all = args_get(a, "--json") ? json_array() : NULL;
    bool ok = a->words > 0 || check_usual(all), both = false;
    struct pair p = {.ok = true};
    for (unsigned i = 0; i < a->words; i++) {
        ok &= check_file(a->word[i], all, &p);
        both |= is_daemon_file(a->word[i]);
    }
    if (both) check_radius(&p, all); // one alone says nothing of the other
    if (all) json_print(all);
    return ok ? CLI_OK : CLI_FAILED;
}

static const struct args_option options[] = {OPTION_JSON, {0}};

const struct command command_check = {
    .name = "check",
    .words = "[FILE...]",
    .summary = "finds every mistake in a swanctl.conf",
    .about =
        "Reads configuration files as pavise-iked would, with the files they include, and reports\n"
        "every mistake as file:line:column, what is wrong and what to write instead. If none is\n"
        "named: " USUAL_FILE ", and /etc/strongswan.conf if there is one. A file\n"
        "called strongswan.conf is judged as such.\n"
        "Nothing is loaded and no daemon is asked. The exit status is 1 if there is an error.",
    .options = options,
    .words_max = ARGS_WORDS_MAX,
    .run = run,
};
