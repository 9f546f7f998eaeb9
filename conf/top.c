#include "conf/top.h"

#include <stddef.h>
#include <string.h>

#include "base/text.h"
#include "conf/authority.h"
#include "conf/child.h"
#include "conf/conn.h"
#include "conf/issue.h"
#include "conf/pool.h"
#include "conf/secrets.h"
#include "conf/value.h"

// ---- pavise { ... }: ours; strongSwan does not look at it ----

static const struct word executors[] = {{"auto", CONF_EXEC_AUTO, NULL},
                                        {"pavise", CONF_EXEC_PAVISE, NULL},
                                        {"kernel", CONF_EXEC_KERNEL, NULL},
                                        {0}};

static void set_socket(const struct arg *a)
{
    struct value v = *a->v;
    size_t scheme = strlen("unix://");
    if (strncmp(v.text, "unix://", scheme) == 0) { // as strongswan.conf writes it
        v.text += scheme;
        v.len -= scheme;
        if (v.pos) v.pos += scheme;
    }
    if (v.text[0] != '/' || v.len > 107) { // sun_path
        issue_error(a->ld->issues, value_place(a->v, 0), a->v->text,
                    "'%s' is not the path of a Unix socket", a->v->text);
        value_hint(a, "an absolute path of at most 107 bytes, as in /var/run/charon.vici");
        return;
    }
    struct arg b = {a->ld, a->key, &v, a->to, a->written};
    set_string(&b);
}

static void set_path(const struct arg *a)
{
    struct value v = *a->v;
    struct arg b = {a->ld, a->key, &v, a->to, a->written};
    if (value_is_no(v.text)) {
        v.text = "";
        v.len = 0;
    } else if (v.text[0] != '/') {
        issue_error(a->ld->issues, value_place(a->v, 0), v.text, "'%s' is not an absolute path",
                    v.text);
        value_hint(a, "the path of a file, as in /etc/resolv.conf, or no");
        return;
    }
    set_string(&b);
}

static const struct key own_keys[] = {
    KEY_WORD("executor", executors, config, executor, "auto"),
    KEY("port", set_port, config, port, "500"),
    KEY("port_nat_t", set_port, config, port_nat_t, "4500"),
    KEY("fwmark", set_number, config, fwmark, "0"),
    KEY("install_virtual_ip", set_yes_no, config, install_virtual_ip, "yes"),
    KEY("install_virtual_ip_on", set_string, config, install_virtual_ip_on, NULL),
    KEY("resolv_conf", set_path, config, resolv_conf, "/etc/resolv.conf"),
    KEY("vici_socket", set_socket, config, vici_socket, "/var/run/charon.vici"),
    {0},
};
const struct schema schema_own = {"section 'pavise'", "pavise", own_keys, NULL};

static void own_read(struct load *ld, const struct node *n, void *config)
{
    schema_read(ld, &schema_own, n, config);
}

// ---- the top ----

static const struct inside top_inside[] = {
    {"connections", conn_read_all, &schema_conns, NULL},
    {"secrets", secrets_read, &schema_secrets, NULL},
    {"pavise", own_read, &schema_own, NULL},
    {"pools", pools_read, &schema_pools, NULL},
    {"authorities", authorities_read, &schema_authorities, NULL},
    {0},
};
const struct schema schema_top = {"the configuration", "the file", NULL, top_inside};

static const struct inside *known_section(const char *name)
{
    const struct inside *i = top_inside;
    while (i->name && strcmp(i->name, name) != 0) i++;
    return i->name ? i : NULL;
}

// Is the section a template that others inherit from?
static bool inherited_from(const struct node *in, const char *name)
{
    size_t n = strlen(name);
    for (const struct reference *r = in->refs; r; r = r->next) {
        if (strncmp(r->path, name, n) == 0 && (r->path[n] == 0 || r->path[n] == '.')) return true;
    }
    for (const struct node *sub = in->subs; sub; sub = sub->next) {
        if (inherited_from(sub, name)) return true;
    }
    return false;
}

static void unknown_section(struct load *ld, const struct node *n)
{
    if (!*n->name) return; // '{' without a name was reported already
    const char *names[sizeof top_inside / sizeof *top_inside] = {0};
    for (size_t i = 0; top_inside[i].name; i++) names[i] = top_inside[i].name;
    const char *near = nearest(n->name, names);
    if (near) {
        issue_error(ld->issues, n->at, n->name, "there is no section '%s'", n->name);
        issue_hint(ld->issues, "did you mean '%s { ... }'?", near);
        return;
    }
    if (inherited_from(ld->tree->root, n->name)) return;
    issue_warn(ld->issues, n->at, n->name, "section '%s' means nothing and nobody inherits from it",
               n->name);
    issue_hint(
        ld->issues,
        "known are connections, secrets, authorities and pavise; others can serve as templates");
}

// A key outside of all sections.
static void stray_settings(struct load *ld)
{
    for (const struct setting *s = ld->tree->root->settings; s; s = s->next) {
        issue_error(ld->issues, s->at, s->key, "'%s' stands outside of all sections", s->key);
        issue_hint(ld->issues, "is a '}' too many before it?");
    }
}

void top_read(struct load *ld)
{
    static const struct node no_settings = {.name = "pavise"};
    stray_settings(ld);
    for (const struct node *n = ld->tree->root->subs; n; n = n->next) {
        const struct inside *i = known_section(n->name);
        if (!i) unknown_section(ld, n);
        if (i && i->read) i->read(ld, n, ld->out);
        if (i && !i->read && n->subs) {
            issue_error(ld->issues, n->at, n->name, "%s", i->note);
            issue_hint(ld->issues, "remove this section");
        }
    }
    if (!tree_sub(ld->tree, ld->tree->root, "pavise")) own_read(ld, &no_settings, ld->out);
}
