// Name servers in resolv.conf: what is ours comes and goes, all else stays to the byte.
#include "daemon/resolvconf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/state.h"
#include "test/check.h"

#define FROM "# pavise-iked: from here\n"
#define TO "# pavise-iked: to here\n"

static ip_t dns[2];
static const char *const domains[] = {"corp.example", "lab.example"};

static struct resolvconf wanted(unsigned servers, unsigned names)
{
    CHECK_OK(ip_parse("10.1.0.53", &dns[0]));
    CHECK_OK(ip_parse("2001:db8::53", &dns[1]));
    return (struct resolvconf){servers, names, dns, domains};
}

static void edited(const char *old, const struct resolvconf *w, const char *want)
{
    AUTO(text) struct text out = {0};
    resolvconf_edit(span_str(old), w, &out);
    CHECK_STR(text_str(&out), want);
}

static void servers_come_first(void **state)
{
    (void)state;
    struct resolvconf w = wanted(2, 0);
    edited("# by hand\nnameserver 192.0.2.1\n", &w,
           FROM "nameserver 10.1.0.53\nnameserver 2001:db8::53\n" TO
                "# by hand\nnameserver 192.0.2.1\n");
    edited("", &w, FROM "nameserver 10.1.0.53\nnameserver 2001:db8::53\n" TO);
}

static void search_list_keeps_what_was_searched(void **state)
{
    (void)state;
    struct resolvconf w = wanted(1, 2);
    edited("domain old.example\nsearch home.example\nnameserver 192.0.2.1\n", &w,
           FROM "nameserver 10.1.0.53\n" TO
                "domain old.example\nsearch home.example\nnameserver 192.0.2.1\n" FROM
                "search corp.example lab.example home.example\n" TO);
}

static void editing_twice_is_editing_once(void **state)
{
    (void)state;
    struct resolvconf w = wanted(2, 2);
    AUTO(text) struct text once = {0};
    const char *old = "search home.example\nnameserver 192.0.2.1\n";
    resolvconf_edit(span_str(old), &w, &once);
    edited(text_str(&once), &w, text_str(&once));
    edited(text_str(&once), NULL, old);
}

// Somebody has written into the file meanwhile: nothing of theirs is lost.
static void others_may_have_edited_it(void **state)
{
    (void)state;
    edited(FROM "nameserver 10.1.0.53\n# a remark of theirs\nnameserver 192.0.2.9\n", NULL,
           "# a remark of theirs\nnameserver 192.0.2.9\n");
    edited("nameserver 192.0.2.9\n" TO, NULL, "nameserver 192.0.2.9\n");
    edited(FROM FROM "nameserver 10.1.0.53\n" TO "options rotate\n", NULL, "options rotate\n");
    edited("nameserver 192.0.2.9", NULL, "nameserver 192.0.2.9\n");
}

static char folder[] = "/tmp/pavise-resolv-XXXXXX";
static char path[64];

static void put(const char *text)
{
    FILE *f = fopen(path, "wb");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void holds(const char *want)
{
    char buf[1024] = "";
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(buf, 1, sizeof buf - 1, f);
    CHECK(n == strlen(buf) && fclose(f) == 0);
    CHECK_STR(buf, want);
}

static void file_is_written_in_its_place(void **state)
{
    (void)state;
    struct resolvconf w = wanted(1, 0);
    struct why why = {0};
    struct stat before, after;
    put("nameserver 192.0.2.1\n");
    CHECK_EQ(stat(path, &before), 0);
    CHECK_OK(resolvconf_write(path, &w, &why));
    holds(FROM "nameserver 10.1.0.53\n" TO "nameserver 192.0.2.1\n");
    CHECK_OK(resolvconf_write(path, NULL, &why));
    holds("nameserver 192.0.2.1\n");
    CHECK_EQ(stat(path, &after), 0);
    CHECK(before.st_ino == after.st_ino); // it may be mounted
    put("nameserver 192.0.2.1"); // without a newline, and nothing of ours in it: not touched
    CHECK_OK(resolvconf_write(path, NULL, &why));
    holds("nameserver 192.0.2.1");
    CHECK_EQ(resolvconf_write("/nonexistent/resolv.conf", &w, &why), ERR_NOTFOUND);
    CHECK(strstr(why.text, "/nonexistent/resolv.conf"));
}

static void state_is_replaced_as_a_whole(void **state)
{
    (void)state;
    struct why why = {0};
    AUTO(text) struct text one = {0};
    AUTO(text) struct text got = {0};
    char sub[80];
    (void)snprintf(sub, sizeof sub, "%s/state", folder);
    CHECK_OK(state_folder(sub, &why));
    CHECK_OK(state_folder(sub, &why)); // there already
    CHECK_EQ(state_read(sub, "x", &got, &why), ERR_NOTFOUND);
    text_add(&one, "first\n");
    CHECK_OK(state_write(sub, "x", &one, &why));
    text_add(&one, "second\n");
    CHECK_OK(state_write(sub, "x", &one, &why));
    CHECK_OK(state_read(sub, "x", &got, &why));
    CHECK_STR(text_str(&got), "first\nsecond\n");
    state_put_aside(sub, "x");
    CHECK_EQ(state_read(sub, "x", &got, &why), ERR_NOTFOUND);
    text_done(&got);
    got = (struct text){0};
    CHECK_OK(state_read(sub, "x.bad", &got, &why));
    CHECK_STR(text_str(&got), "first\nsecond\n");
    CHECK_EQ(state_folder(path, &why), ERR_SYSTEM); // a file stands there
    CHECK(strstr(why.text, "is not a folder"));
    CHECK(state_write("/nonexistent", "x", &one, &why) != ERR_OK);
    (void)snprintf(sub, sizeof sub, "rm -r %s", folder);
    CHECK_EQ(system(sub), 0); // NOLINT: a folder of our own
}

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    (void)snprintf(path, sizeof path, "%s/resolv.conf", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_come_first),
        cmocka_unit_test(search_list_keeps_what_was_searched),
        cmocka_unit_test(editing_twice_is_editing_once),
        cmocka_unit_test(others_may_have_edited_it),
        cmocka_unit_test(file_is_written_in_its_place),
        cmocka_unit_test(state_is_replaced_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
