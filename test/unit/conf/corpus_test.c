// Every file in vectors/conf: good ones load, bad ones are refused with exactly the messages that
// stand in the .expect file next to them. With CONF_UPDATE=1 the .expect files are written instead.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/config.h"
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

static void check_file(const char *name, bool good)
{
    struct config *c = NULL;
    AUTO(conf_issues) struct conf_issues issues = {0};
    AUTO(text) struct text got = {0};
    err_t e = config_load(name, &c, &issues);
    for (unsigned i = 0; i < issues.n; i++) issue_print(&got, &issues.issue[i]);
    if ((e == ERR_OK) != good) print_message("# %s: %s\n%s", name, err_text(e), text_str(&got));
    CHECK((e == ERR_OK) == good);
    CHECK((c != NULL) == good);
    CHECK((issues.errors == 0) == good);
    compare(name, &got);
    config_free(c);
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
    CHECK(check_folder("bad", false) >= 60);
}

int main(void)
{
    folder = getenv("VECTORS");
    if (!folder) folder = "test/vectors";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_load),
        cmocka_unit_test(bad_files_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
