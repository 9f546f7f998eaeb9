// The process that runs updown scripts.
#include "daemon/scripts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "test/check.h"

static char folder[] = "/tmp/pavise-scripts-XXXXXX";
static struct text said;

static void listen_in(void *ctx, enum log_level level, const char *subject, const char *line)
{
    (void)ctx, (void)subject;
    text_add(&said, "%s%s\n", level == LOG_ERROR ? "! " : "", line);
}

static char *file(const char *name, char buf[128])
{
    (void)snprintf(buf, 128, "%s/%s", folder, name);
    return buf;
}

static void write_conf(const char *one, const char *two)
{
    char path[128];
    FILE *f = fopen(file("swanctl.conf", path), "w");
    CHECK(f);
    (void)fprintf(
        f,
        "connections { c { remote_addrs = 192.0.2.1\n local { auth = psk\n } remote { auth "
        "= psk\n } children { a { updown = %s\n } b { updown = %s\n } d { } } } }\n"
        "secrets { ike-1 { secret = abc\n } }\n",
        one, two);
    (void)fclose(f);
}

static struct scripts *begin(const char *one, const char *two, struct config **c)
{
    char path[128];
    struct conf_issues issues = {0};
    struct why why = {0};
    struct scripts *s;
    text_done(&said);
    write_conf(one, two);
    CHECK_OK(config_load(file("swanctl.conf", path), c, &issues));
    conf_issues_done(&issues);
    CHECK(scripts_needed(*c));
    // The path must outlive the call in the other process only.
    CHECK_OK(scripts_start(path, *c, &s, &why));
    return s;
}

static void they_run_in_order_with_their_variables(void **state)
{
    (void)state;
    static const char vars[] = "PLUTO_VERB=up-client\0PLUTO_PEER_ID=a 'b' $(c)";
    static const char first[] = "\"sleep 0.2; echo 1 $PLUTO_VERB\"";
    struct config *c;
    struct scripts *s = begin(first, "\"echo 2 \\\"$PLUTO_PEER_ID\\\"; echo 3 >&2\"", &c);
    CHECK_OK(scripts_run(s, c->conn[0].child[0].updown, span(vars, sizeof vars)));
    CHECK_OK(scripts_run(s, c->conn[0].child[1].updown, span(vars, sizeof vars)));
    scripts_free(s);
    CHECK_STR(text_str(&said), "1 up-client\n2 a 'b' $(c)\n3\n");
    config_free(c);
}

static void only_what_the_configuration_names_is_run(void **state)
{
    (void)state;
    struct config *c;
    struct scripts *s = begin("\"echo one\"", "\"echo two\"", &c);
    CHECK_OK(scripts_run(s, "echo three", span("", 0)));
    write_conf("\"echo three\"", "\"echo four\"");
    scripts_reload(s);
    CHECK_OK(scripts_run(s, "echo three", span("", 0)));
    CHECK_OK(scripts_run(s, "echo one", span("", 0)));
    scripts_free(s);
    CHECK_STR(text_str(&said),
              "! not run: the configuration names no updown script 'echo three'\nthree\n"
              "! not run: the configuration names no updown script 'echo one'\n");
    config_free(c);
}

static void failures_are_told(void **state)
{
    (void)state;
    struct config *c;
    struct scripts *s = begin("\"exit 3\"", "\"printf 'no\\\\033[31m line end'; kill -9 $$\"", &c);
    CHECK_OK(scripts_run(s, c->conn[0].child[0].updown, span("", 0)));
    CHECK_OK(scripts_run(s, c->conn[0].child[1].updown, span("", 0)));
    CHECK_EQ(scripts_run(s, "x", span("", SCRIPT_BYTES_MAX)), ERR_LIMIT);
    scripts_free(s);
    CHECK_STR(text_str(&said), "! a script ended with exit status 3\nno?[31m line end\n"
                               "! a script was ended by signal 9\n");
    config_free(c);
}

static void count(void *ctx)
{
    ++*(unsigned *)ctx;
}

// Each request is answered once, whatever becomes of it.
static void they_say_when_they_have_run(void **state)
{
    (void)state;
    struct config *c;
    unsigned told = 0;
    struct scripts *s = begin("\"echo one\"", "\"exit 3\"", &c);
    scripts_on_ran(s, count, &told);
    CHECK_OK(scripts_run(s, c->conn[0].child[0].updown, span("", 0)));
    CHECK_OK(scripts_run(s, "echo unknown", span("", 0)));
    CHECK_OK(scripts_run(s, c->conn[0].child[1].updown, span("", 0)));
    CHECK_EQ(scripts_run(s, "x", span("", SCRIPT_BYTES_MAX)), ERR_LIMIT);
    CHECK_EQ(scripts_asked(s), 3);
    CHECK_EQ(scripts_ran(s), 0);
    scripts_free(s);
    CHECK_EQ(told, 3);
    config_free(c);
}

static int clean_up(void **state)
{
    char path[128];
    (void)state;
    (void)unlink(file("swanctl.conf", path));
    (void)rmdir(folder);
    text_done(&said);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_run_in_order_with_their_variables),
        cmocka_unit_test(only_what_the_configuration_names_is_run),
        cmocka_unit_test(failures_are_told),
        cmocka_unit_test(they_say_when_they_have_run),
    };
    if (!mkdtemp(folder)) return EXIT_FAILURE;
    log_add_sink(listen_in, NULL);
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
