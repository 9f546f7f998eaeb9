// Where the daemons' lines go.
#include "daemon/log_to.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
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

// ---- what goes to syslog stands here instead ----

static char heard[8][256];
static unsigned heard_n;

// In the place of libc's: the only datagrams of this program are those of --log syslog.
ssize_t sendto(int fd, const void *at, size_t len, int flags, const struct sockaddr *to,
               socklen_t to_len)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)to;
    (void)fd, (void)flags;
    CHECK(to_len == sizeof *un && strcmp(un->sun_path, "/dev/log") == 0);
    CHECK(heard_n < 8 && len < sizeof heard[0]);
    memcpy(heard[heard_n], at, len);
    heard[heard_n++][len] = '\0';
    return (ssize_t)len;
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
// rfc3164 4.1: facility * 8 + severity; then time, name and process.
static void want_heard(unsigned i, const char *priority, const char *rest)
{
    CHECK(i < heard_n);
    CHECK(strncmp(heard[i], priority, strlen(priority)) == 0);
    const char *ident = strstr(heard[i], " test[");
    CHECK(ident && strstr(ident, rest));
    CHECK_STR(strstr(ident, rest), rest); // and nothing behind it
}

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
    CHECK_EQ(heard_n, 0); // of syslog's level was none
    log_say(LOG_ERROR, "net[1]", "it is over");
    CHECK_EQ(heard_n, 1);
    want_heard(0, "<187>", "]: net[1]: it is over"); // local7, err
}

// A logger of strongswan.conf: its facility, and levels of its own for each of charon's groups.
static void syslog_has_facilities_and_levels(void **state)
{
    struct why why = {0};
    (void)state;
    struct log_plan p = {.facility = "auth", .ident = "test"};
    for (unsigned i = 0; i < LOG_GROUPS; i++) p.level[i] = 1;
    p.level[LOG_NET] = -1;
    CHECK_OK(log_to_plan(&p, &why));
    heard_n = 0;
    log_say(LOG_WARN, "net[1]", "take care");
    log_say(LOG_STORY, "net[1]", "the story");
    log_say(LOG_DEBUG, "net[1]", "all of it");
    log_say(LOG_STORY, "net", "nobody wants it");
    CHECK_EQ(heard_n, 2);
    want_heard(0, "<36>", "take care"); // auth, warning
    want_heard(1, "<37>", "the story"); // auth, notice
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_targets_are_refused),
        cmocka_unit_test(lines_go_to_files),
        cmocka_unit_test(syslog_has_facilities_and_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
