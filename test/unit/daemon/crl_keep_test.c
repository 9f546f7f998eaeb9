// CRLs that were fetched, as files: named after a key, replaced as a whole, never beside the
// folder.
#include "daemon/crl_keep.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/check.h"

static char folder[] = "/tmp/pavise-crl-keep-XXXXXX";

static unsigned files(void)
{
    DIR *d = opendir(folder);
    unsigned n = 0;
    CHECK(d);
    while (readdir(d)) n++;
    (void)closedir(d);
    return n - 2; // itself and the one above
}

static void want_file(const char *name, const char *want)
{
    char path[128], got[64] = "";
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    CHECK(f);
    size_t n = fread(got, 1, sizeof got - 1, f);
    CHECK(n == strlen(want) && fclose(f) == 0);
    CHECK_STR(got, want);
}

static void a_list_is_named_after_its_key(void **state)
{
    const uint8_t key[] = {0x5d, 0xa7, 0x00, 0xff};
    (void)state;
    crl_keep(folder, SPAN(key), false, span_str("the list"));
    crl_keep(folder, SPAN(key), true, span_str("what is new"));
    CHECK_EQ(files(), 2);
    want_file("5da700ff.crl", "the list");
    want_file("5da700ff_delta.crl", "what is new");
}

static void the_next_one_takes_its_place(void **state)
{
    const uint8_t key[] = {0x5d, 0xa7, 0x00, 0xff};
    (void)state;
    crl_keep(folder, SPAN(key), false, span_str("short"));
    CHECK_EQ(files(), 2);
    want_file("5da700ff.crl", "short");
}

static void what_cannot_be_named_or_written_leaves_nothing(void **state)
{
    uint8_t key[CRL_KEEP_ID_MAX + 1] = {0};
    char nowhere[] = "/nonexistent/x509crl";
    (void)state;
    crl_keep(folder, span(key, 0), false, span_str("x"));
    crl_keep(folder, SPAN(key), false, span_str("x"));
    crl_keep(nowhere, span(key, 20), false, span_str("x"));
    CHECK_EQ(files(), 2);
    crl_keep(folder, span(key, CRL_KEEP_ID_MAX), true, span_str("x"));
    CHECK_EQ(files(), 3);
}

int main(void)
{
    char clean[64];
    if (!mkdtemp(folder)) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_named_after_its_key),
        cmocka_unit_test(the_next_one_takes_its_place),
        cmocka_unit_test(what_cannot_be_named_or_written_leaves_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)snprintf(clean, sizeof clean, "rm -r %s", folder);
    return system(clean) == 0 ? failed : 1; // NOLINT: a folder of our own
}
