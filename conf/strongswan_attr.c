// strongswan_attr.c - what charon tells every client that gets an address: the plugin attr. It is a
// pool without addresses, so it is read as one.
#include <string.h>

#include "conf/issue.h"
#include "conf/strongswanx.h"

static const char *const plain[][2] = {
    {"dns1", "dns"}, {"dns2", "dns"}, {"nbns1", "nbns"}, {"nbns2", "nbns"}};
#define PLUGIN "plugins.attr."

bool strongswan_is_attribute(const char *path)
{
    if (strncmp(path, PLUGIN, strlen(PLUGIN)) == 0) return true;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (strcmp(path, plain[i][0]) == 0) return true;
    }
    return false;
}

// The plugin has dashes where pools have underscores.
static void add_line(struct text *t, const char *key, const char *value)
{
    for (; *key; key++) text_add(t, "%c", *key == '-' ? '_' : *key);
    text_add(t, " = \"");
    for (; *value; value++)
        text_add(t, "%s%c", *value == '"' || *value == '\\' ? "\\" : "", *value);
    text_add(t, "\"\n");
}

static err_t load_pool(const struct text *lines, struct config **out, struct conf_issues *issues)
{
    AUTO(text) struct text all = {0};
    text_add(&all, "pools { everybody {\n%s} }\n", text_str(lines));
    return config_load_text("attr", span_str(text_str(&all)), out, issues);
}

// A mistake stands where it was written, not where it is found.
static bool is_good(const struct setting *s, const char *key, struct conf_issues *issues)
{
    AUTO(text) struct text line = {0};
    AUTO(conf_issues) struct conf_issues own = {0};
    struct config *c = NULL;
    add_line(&line, key, s->value.text);
    bool good = load_pool(&line, &c, &own) == ERR_OK;
    config_free(c);
    if (good) return true;
    issue_error(issues, s->at, s->key, "%s", own.n ? own.issue[0].what : "this is no attribute");
    issue_hint(issues, "%s", own.n && own.issue[0].hint ? own.issue[0].hint : "remove it");
    return false;
}

// What one key has in several places is one list: a second line would replace the first.
struct lists {
    struct text dns, nbns, others;
};

static void add(struct lists *l, const struct setting *s, const char *key,
                struct conf_issues *issues)
{
    bool dns = strcmp(key, "dns") == 0, nbns = strcmp(key, "nbns") == 0;
    struct text *list = dns ? &l->dns : &l->nbns;
    if (strcmp(key, "load") == 0 || !s->value.len || !is_good(s, key, issues)) return;
    if (dns || nbns) {
        text_add(list, "%s%s", list->len ? "," : "", s->value.text);
    } else {
        add_line(&l->others, key, s->value.text);
    }
}

static const struct node *plugin_of(const struct tree *t, const char *daemon)
{
    const struct node *n = tree_sub(t, t->root, daemon);
    n = n ? tree_sub(t, n, "plugins") : NULL;
    return n ? tree_sub(t, n, "attr") : NULL;
}

static void gather(const struct tree *t, struct lists *l, struct conf_issues *issues)
{
    static const char *const daemons[] = {"charon", "charon-systemd"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        const struct setting *s;
        if (strongswan_get(t, plain[i][0], &s)) add(l, s, plain[i][1], issues);
    }
    for (size_t i = 0; i < 2; i++) {
        const struct node *n = plugin_of(t, daemons[i]);
        for (const struct setting *s = n ? n->settings : NULL; s; s = s->next)
            add(l, s, s->key, issues);
    }
}

void strongswan_attributes(const struct tree *t, struct strongswan *s, struct conf_issues *issues)
{
    struct lists l = {0};
    AUTO(conf_issues) struct conf_issues none = {0};
    gather(t, &l, issues);
    if (l.dns.len) add_line(&l.others, "dns", text_str(&l.dns));
    if (l.nbns.len) add_line(&l.others, "nbns", text_str(&l.nbns));
    if (l.others.len) IGNORE(load_pool(&l.others, &s->attributes, &none)); // each was good
    text_done(&l.dns);
    text_done(&l.nbns);
    text_done(&l.others);
}
