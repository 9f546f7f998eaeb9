// Where the daemons' lines go.
#include "daemon/log_to.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/check.h"

static void refused(const char *spec, const char *words)
{
    struct why why = {0};
    CHECK(log_to(spec, "test", LOG_STORY, &why) != ERR_OK);
    if (!strstr(why.text, words)) fail_msg("'%s' lacks '%s'", why.text, words);
}

static void wrong_targets_are_refused(void **state)
{
    (void)state;
    refused("", "takes stderr, syslog");
    refused("syslogs", "not 'syslogs'");
    refused("file:", "not 'file:'");
    refused("file:/no/such/folder/x", "/no/such/folder/x cannot be written: No such file");
    refused("syslog:paper", "no facility 'paper'");
    refused("syslog:local8", "no facility 'local8'");
    refused("syslog:local12", "no facility 'local12'");
    refused("stderr,loud", "not 'loud'");
}

static char *content(const char *path)
{
    static char text[4096];
    FILE *f = fopen(path, "r");
    CHECK(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    (void)fclose(f);
    (void)unlink(path);
    return text;
}

// Also: a file is added to, and each target has its own level.
static void lines_go_to_files(void **state)
{
    (void)state;
    struct why why = {0};
    char plain[] = "/tmp/pavise-log-XXXXXX", js[] = "/tmp/pavise-log-XXXXXX", spec[64];
    int fd = mkstemp(plain), fd2 = mkstemp(js);
    CHECK(fd >= 0 && fd2 >= 0);
    CHECK_EQ(write(fd, "before\n", 7), 7);
    (void)close(fd);
    (void)close(fd2);
    (void)snprintf(spec, sizeof spec, "file:%s,warn", plain);
    CHECK_OK(log_to(spec, "test", LOG_STORY, &why));
    (void)snprintf(spec, sizeof spec, "json:%s", js);
    CHECK_OK(log_to(spec, "test", LOG_STORY, &why));
    CHECK_OK(log_to("syslog:local7,error", "test", LOG_STORY, &why));
    refused("stderr", "3 times at most");
    log_say(LOG_WARN, "net[1]", "a \"quoted\" word");
    log_say(LOG_STORY, "net[1]", "the story");
    log_say(LOG_INFO, "net[1]", "details");
    log_say(LOG_WARN, "net[1]", "who is \xff\xfe?"); // no UTF-8: told all the same
    const char *text = content(plain);
    CHECK(strncmp(text, "before\n20", 9) == 0);
    CHECK(strstr(text, " warn net[1]: a \"quoted\" word\n"));
    CHECK(!strstr(text, "the story"));
    text = content(js);
    json_t *first = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
    CHECK(first);
    CHECK_STR(json_string_value(json_object_get(first, "message")), "a \"quoted\" word");
    CHECK_STR(json_string_value(json_object_get(first, "level")), "warn");
    CHECK_STR(json_string_value(json_object_get(first, "subject")), "net[1]");
    CHECK(json_real_value(json_object_get(first, "time")) > 1e9);
    json_decref(first);
    CHECK(strstr(text, "the story"));
    CHECK(!strstr(text, "details"));
    CHECK(strstr(text, "who is ???"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_targets_are_refused),
        cmocka_unit_test(lines_go_to_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
