// The manual page and the tables of settings say the same: every key that is read or refused stands
// in pavise-swanctl.conf(5), with the reason why it is refused, and the page names no key that
// nobody reads.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/schema.h"
#include "test/check.h"

#define DEPTH_MAX 6

static char *page;  // as roff
static char *plain; // what a reader sees, blanks made one

static char *slurp(const char *name)
{
    char path[512];
    const char *folder = getenv("VECTORS");
    (void)snprintf(path, sizeof path, "%s/../../doc/%s", folder ? folder : "test/vectors", name);
    FILE *f = fopen(path, "rb");
    CHECK(f != NULL);
    char *buf = calloc(1, 1 << 18);
    CHECK(buf && f && fread(buf, 1, (1 << 18) - 1, f) > 0);
    if (f) (void)fclose(f);
    return buf;
}

// Without requests, quotes of their arguments and escapes.
static char *plain_of(const char *roff)
{
    AUTO(text) struct text t = {0};
    bool line = true, blank = true;
    for (const char *s = roff; *s; s++) {
        if (line && *s == '.') s += strcspn(s, " \n");
        line = *s == '\n';
        if (*s == '\\' && s[1] == '-') continue;
        if (*s == '\\' && s[1] == 'f') {
            s += 2;
            continue;
        }
        bool white = isspace((unsigned char)*s) || *s == '"';
        if (white && blank) continue;
        text_add(&t, "%c", white ? ' ' : *s);
        blank = white;
    }
    return strdup(text_str(&t));
}

static bool stands_there(const char *name)
{
    size_t n = strlen(name);
    for (const char *s = plain; (s = strstr(s, name)) != NULL; s += n) {
        bool begins = s == plain || !(isalnum((unsigned char)s[-1]) || s[-1] == '_');
        if (begins && !isalnum((unsigned char)s[n]) && s[n] != '_') return true;
    }
    return false;
}

static unsigned keys, missing;

static void miss(const struct schema *s, const char *name, const char *what)
{
    print_message("# %s: %s: %s\n", s->where, name, what);
    missing++;
}

static void check_key(const struct schema *s, const struct key *k)
{
    char name[64];
    if (isdigit((unsigned char)k->name[0])) return; // attributes by number
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(k->name, "*"), k->name);
    keys++;
    if (!stands_there(name)) miss(s, name, "not in the manual");
    if (!k->set && k->note && *k->note && !strstr(plain, k->note)) miss(s, name, k->note);
}

static void check_schema(const struct schema *s, unsigned depth)
{
    CHECK(depth < DEPTH_MAX);
    for (const struct key *k = s->keys; k && k->name; k++) check_key(s, k);
    for (const struct inside *i = s->inside; i && i->name; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(i->name, "*"), i->name);
        if (*name && !stands_there(name)) miss(s, name, "section not in the manual");
        if (i->note && !strstr(plain, i->note)) miss(s, name, i->note);
        if (i->schema) check_schema(i->schema, depth + 1);
    }
}

static void every_key_has_its_words(void **state)
{
    (void)state;
    check_schema(&schema_top, 0);
    CHECK_EQ(missing, 0);
    CHECK(keys > 150);
}

static bool known(const struct schema *s, const char *name, unsigned depth)
{
    size_t n = strlen(name);
    for (const struct key *k = s->keys; k && k->name; k++) {
        if (strncmp(k->name, name, n) == 0 && (!k->name[n] || k->name[n] == '*')) return true;
    }
    for (const struct inside *i = s->inside; i && i->name; i++) {
        if (strncmp(i->name, name, n) == 0 && (!i->name[n] || i->name[n] == '*')) return true;
        if (i->schema && depth < DEPTH_MAX && known(i->schema, name, depth + 1)) return true;
    }
    return false;
}

// The words before "[default]" and "(side)" of what a paragraph is about: .BR a ", " b " [no]"
static void check_tag(const char *line, size_t len)
{
    char name[64];
    for (const char *s = line, *end = line + len; s < end && *s != '[' && *s != '(';) {
        size_t n = 0;
        while (s + n < end &&
               (islower((unsigned char)s[n]) || s[n] == '_' || isdigit((unsigned char)s[n])))
            n++;
        if (n == 0) {
            s += isupper((unsigned char)*s) ? strcspn(s, " ,\n") : 1; // no key, but a subject
            continue;
        }
        (void)snprintf(name, sizeof name, "%.*s", (int)n, s);
        s += n;
        if (known(&schema_top, name, 0)) continue;
        print_message("# the manual speaks of '%s', which nobody reads\n", name);
        missing++;
    }
}

static void the_manual_names_no_other(void **state)
{
    unsigned tags = 0;
    const char *end = strstr(page, ".SH CERTIFICATES AND KEYS");
    (void)state;
    missing = 0;
    CHECK(end != NULL);
    for (const char *s = strstr(page, ".SH CONNECTIONS"); (s = strstr(s, "\n.TP\n")) && s < end;) {
        s += strlen("\n.TP\n");
        size_t len = strcspn(s, "\n");
        bool tag = strncmp(s, ".BR ", 4) == 0 || strncmp(s, ".B ", 3) == 0;
        if (tag) check_tag(s + 3, len - 3);
        tags += tag;
    }
    CHECK_EQ(missing, 0);
    CHECK(tags > 60);
}

int main(void)
{
    page = slurp("pavise-swanctl.conf.5");
    plain = plain_of(page);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_has_its_words),
        cmocka_unit_test(the_manual_names_no_other),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(page);
    free(plain);
    return failed;
}
