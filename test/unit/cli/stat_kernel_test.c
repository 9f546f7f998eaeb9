#include "cli/stat_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/check.h"

static err_t read_text(const char *text, json_t **out, struct why *why)
{
    char path[] = "/tmp/pavise-stat-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && dprintf(fd, "%s", text) >= 0 && close(fd) == 0);
    err_t e = stat_kernel_read(path, out, why);
    CHECK_EQ(unlink(path), 0);
    return e;
}

static void counters_are_read(void **state)
{
    (void)state;
    json_t *j = NULL;
    struct why why = {{0}};
    CHECK_EQ(read_text("XfrmInError  \t0\nXfrmInNoStates \t18446744\n", &j, &why), ERR_OK);
    const json_t *k = json_object_get(j, "kernel");
    CHECK_EQ(json_object_size(k), 2);
    CHECK_EQ(json_integer_value(json_object_get(k, "XfrmInNoStates")), 18446744);
    json_decref(j);
}

static void others_are_refused(void **state)
{
    (void)state;
    json_t *j = NULL;
    struct why why = {{0}};
    CHECK_EQ(stat_kernel_read("/proc/none", &j, &why), ERR_NOTFOUND);
    CHECK(strstr(why.text, "CONFIG_XFRM_STATISTICS") != NULL);
    CHECK_EQ(read_text("XfrmInError 1\nXfrmInNoStates\n", &j, &why), ERR_SYNTAX);
    CHECK(j == NULL);
}

// Those of the kernel this runs on, if it counts.
static void each_has_a_meaning(void **state)
{
    (void)state;
    json_t *j = NULL;
    const char *name;
    json_t *value;
    CHECK(stat_kernel_text("XfrmInStateSeqError") != NULL);
    CHECK(!stat_kernel_text("XfrmNotThere"));
    if (stat_kernel_read(STAT_KERNEL_FILE, &j, NULL) != ERR_OK) return;
    json_object_foreach(json_object_get(j, "kernel"), name, value)
        CHECK(stat_kernel_text(name) != NULL);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_are_read),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(each_has_a_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
