// Key files: private, appended to, never anything but the two tables.
#include "test/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/keylog.h"

static char dir[64], table[96];

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    (void)snprintf(dir, sizeof dir, "/tmp/keylog-test-XXXXXX");
    if (!mkdtemp(dir)) return -1;
    (void)snprintf(table, sizeof table, "%s/esp_sa", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(table);
    return rmdir(dir); // fails when a test has left anything else
}

static void expect_content(const char *want)
{
    char got[256] = "";
    FILE *f = fopen(table, "r");
    assert_non_null(f);
    got[fread(got, 1, sizeof got - 1, f)] = 0;
    (void)fclose(f);
    CHECK_STR(got, want);
}

static void expect_private(void)
{
    struct stat st;
    CHECK_EQ(stat(table, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
}

static void lines_are_appended_to_a_private_file(void **state)
{
    (void)state;
    struct keylog *k = NULL;
    struct why why;
    CHECK_OK(keylog_open(dir, &k, &why));
    keylog_line(k, "esp_sa", "one");
    keylog_line(k, "esp_sa", "two");
    keylog_close(k);
    CHECK_OK(keylog_open(dir, &k, &why));
    keylog_line(k, "esp_sa", "three");
    keylog_close(k);
    expect_content("one\ntwo\nthree\n");
    expect_private();
}

static void an_open_file_is_closed_to_others(void **state)
{
    (void)state;
    struct keylog *k = NULL;
    struct why why;
    int fd = open(table, O_CREAT | O_WRONLY, 0666);
    CHECK(fd >= 0);
    CHECK_EQ(fchmod(fd, 0666), 0);
    (void)close(fd);
    CHECK_OK(keylog_open(dir, &k, &why));
    keylog_line(k, "esp_sa", "x");
    keylog_close(k);
    expect_private();
}

static void other_files_and_links_are_left_alone(void **state)
{
    (void)state;
    struct keylog *k = NULL;
    struct why why;
    char target[96];
    (void)snprintf(target, sizeof target, "%s/elsewhere", dir);
    CHECK_OK(keylog_open(dir, &k, &why));
    keylog_line(k, "../esp_sa", "x");
    keylog_line(k, "passwd", "x");
    CHECK_EQ(symlink(target, table), 0);
    keylog_line(k, "esp_sa", "x"); // one error line, then silence
    keylog_line(k, "esp_sa", "x");
    keylog_close(k);
    CHECK_EQ(access(target, F_OK), -1);
}

static void the_directory_must_be_there(void **state)
{
    (void)state;
    struct keylog *k = NULL;
    struct why why = {0};
    CHECK_EQ(keylog_open("/no/such/directory", &k, &why), ERR_NOTFOUND);
    CHECK(strstr(why.text, "/no/such/directory"));
    assert_null(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_are_appended_to_a_private_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_open_file_is_closed_to_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_files_and_links_are_left_alone, set_up, tear_down),
        cmocka_unit_test(the_directory_must_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
