// What doc/examples shows must be taken by the daemon without a word: argv names the files.
#include "test/check.h"

#include <stdio.h>

#include "conf/config.h"

static void is_taken(void **state)
{
    const char *path = *state;
    struct config *c = NULL;
    struct conf_issues issues = {0};
    err_t e = config_load(path, &c, &issues);
    for (unsigned i = 0; i < issues.n; i++) {
        print_message("%s:%u: %s\n", path, issues.issue[i].line, issues.issue[i].what);
    }
    CHECK_OK(e);
    CHECK_EQ(issues.n, 0);
    CHECK(c->conn_n == 1 && c->conn[0].child_n == 1 && c->psk_n == 1);
    conf_issues_done(&issues);
    config_free(c);
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[32];
    int n = argc - 1;
    if (n < 1 || n > 32) return 1;
    for (int i = 0; i < n; i++) {
        tests[i] = (struct CMUnitTest){argv[i + 1], is_taken, NULL, NULL, argv[i + 1]};
    }
    return _cmocka_run_group_tests("examples", tests, (size_t)n, NULL, NULL);
}
