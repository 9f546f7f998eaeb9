// Every file in vectors/conf: good ones load, bad ones are refused, doubtful ones are warned of,
// with exactly the messages that stand in the .expect file next to them; each message has its
// place, the word that stands there, and a remedy. With CONF_UPDATE=1 the .expect files are written
// instead.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/config.h"
#include "conf/strongswan.h"
#include "test/check.h"

static const char *folder; // of the running test

static void issue_print(struct text *t, const struct conf_issue *i)
{
    text_add(t, "%s:%u:%u: %s: %s [%s]\n", i->file, i->line, i->column,
             i->warning ? "warning" : "error", i->what, i->token);
    if (i->hint) text_add(t, "  hint: %s\n", i->hint);
}

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *buf = calloc(1, 1 << 20);
    CHECK(buf != NULL);
    size_t n = fread(buf, 1, (1 << 20) - 1, f);
    CHECK(n < (1 << 20) - 1);
    (void)fclose(f);
    return buf;
}

static void compare(const char *name, const struct text *got)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%.*s.expect", (int)(strlen(name) - 5), name);
    if (getenv("CONF_UPDATE")) {
        (void)remove(path);
        FILE *f = got->len ? fopen(path, "wb") : NULL;
        if (f) {
            (void)fputs(text_str(got), f);
            (void)fclose(f);
        }
        return;
    }
    char *want = slurp(path);
    if (strcmp(want ? want : "", text_str(got)) != 0) print_message("# %s says otherwise:\n", name);
    CHECK_STR(text_str(got), want ? want : "");
    free(want);
}

static err_t load_swanctl(const char *name, struct conf_issues *issues)
{
    struct config *c = NULL;
    err_t e = config_load(name, &c, issues);
    CHECK((c != NULL) == (e == ERR_OK));
    config_free(c);
    return e;
}

static err_t load_strongswan(const char *name, struct conf_issues *issues)
{
    struct strongswan s;
    err_t e = strongswan_load(name, &s, issues);
    strongswan_done(&s);
    return e;
}

typedef err_t load_fn(const char *name, struct conf_issues *issues);
static load_fn *load = load_swanctl;
static bool must_speak; // every file of this folder is doubtful, at least

static void check_file(const char *name, bool good)
{
    AUTO(conf_issues) struct conf_issues issues = {0};
    AUTO(text) struct text got = {0};
    err_t e = load(name, &issues);
    for (unsigned i = 0; i < issues.n; i++) {
        issue_print(&got, &issues.issue[i]);
        CHECK(issues.issue[i].line > 0 && issues.issue[i].column > 0);
        bool last = i + 1 == issues.n && strstr(issues.issue[i].what, "too many mistakes");
        CHECK(last || (issues.issue[i].hint && *issues.issue[i].hint));
    }
    if ((e == ERR_OK) != good) print_message("# %s: %s\n%s", name, err_text(e), text_str(&got));
    CHECK((e == ERR_OK) == good);
    CHECK((issues.errors == 0) == good);
    if (must_speak && !issues.n) print_message("# nothing is said of %s\n", name);
    CHECK(issues.n || !must_speak);
    compare(name, &got);
}

static unsigned check_folder(const char *sub, bool good)
{
    struct dirent **list = NULL;
    char path[512];
    (void)snprintf(path, sizeof path, "%s/conf/%s", folder, sub);
    CHECK(chdir(path) == 0);
    int n = scandir(".", &list, NULL, alphasort);
    unsigned files = 0;
    for (int i = 0; i < n; i++) {
        size_t len = strlen(list[i]->d_name);
        if (len > 5 && strcmp(list[i]->d_name + len - 5, ".conf") == 0) {
            check_file(list[i]->d_name, good);
            files++;
        }
        free(list[i]);
    }
    free(list);
    return files;
}

static void good_files_load(void **state)
{
    (void)state;
    CHECK(check_folder("good", true) >= 10);
}

static void bad_files_say_why(void **state)
{
    (void)state;
    must_speak = true;
    CHECK(check_folder("bad", false) >= 128);
}

static void doubtful_files_load_with_a_warning(void **state)
{
    (void)state;
    CHECK(check_folder("warned", true) >= 17);
}

// Beside a folder of certificates and keys, some of them missing, unreadable, expired, or
// another's.
static void papers_that_do_not_fit_are_named(void **state)
{
    (void)state;
    CHECK(check_folder("papers", false) >= 12);
    CHECK(check_folder("papers/warned", true) >= 4);
    CHECK(check_folder("locked", false) >= 3);
}

static void strongswan_conf_is_judged_as_well(void **state)
{
    (void)state;
    load = load_strongswan;
    CHECK(check_folder("daemon", false) >= 8);
    load = load_swanctl;
}

int main(void)
{
    folder = getenv("VECTORS");
    if (!folder) folder = "test/vectors";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_load),
        cmocka_unit_test(bad_files_say_why),
        cmocka_unit_test(doubtful_files_load_with_a_warning),
        cmocka_unit_test(papers_that_do_not_fit_are_named),
        cmocka_unit_test(strongswan_conf_is_judged_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
