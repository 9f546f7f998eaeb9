// The command line of pavise-iked: what is taken, and the sentence for what is not.
#include "test/check.h"

#include <string.h>

#include "daemon/iked_options.h"

static err_t read_line(char **words, struct iked_options *out, struct why *why)
{
    int n = 0;
    while (words[n]) n++;
    return iked_options_read(n, words, out, why);
}
#define WORDS(...) ((char *[]){(char[]){"pavise-iked"}, __VA_ARGS__, NULL})
#define W(word) ((char[]){word})

static void nothing_gives_the_defaults(void **state)
{
    (void)state;
    struct iked_options o;
    struct why why;
    CHECK_OK(read_line((char *[]){W("pavise-iked"), NULL}, &o, &why));
    CHECK_STR(o.config, "/etc/swanctl/swanctl.conf");
    CHECK_STR(o.state_dir, "/var/lib/pavise");
    CHECK_EQ(o.log_level, LOG_STORY);
    CHECK(!o.vici_socket && !o.keylog && !o.executor_given && !o.fwmark_given && !o.port);
}

static void all_options_are_taken(void **state)
{
    (void)state;
    struct iked_options o;
    struct why why;
    CHECK_OK(read_line(WORDS(W("--config"), W("a.conf"), W("--vici-socket=/run/v"), W("--executor"),
                             W("kernel"), W("--port"), W("1500"), W("--port-nat-t"), W("14500"),
                             W("--fwmark"), W("0x10"), W("--keylog"), W("/tmp"), W("--state-dir"),
                             W("/run/state"), W("--socket"), W("@x"), W("--log-level"), W("debug")),
                       &o, &why));
    CHECK_STR(o.config, "a.conf");
    CHECK_STR(o.vici_socket, "/run/v");
    CHECK_STR(o.keylog, "/tmp");
    CHECK_STR(o.state_dir, "/run/state");
    CHECK_STR(o.socket, "@x");
    CHECK(o.executor_given && o.executor == CONF_EXEC_KERNEL);
    CHECK_EQ(o.port, 1500);
    CHECK_EQ(o.port_nat_t, 14500);
    CHECK(o.fwmark_given && o.fwmark == 16);
    CHECK_EQ(o.log_level, LOG_DEBUG);
}

static void refused(char **words, const char *sentence)
{
    struct iked_options o = {.config = "untouched"};
    struct why why = {0};
    CHECK(read_line(words, &o, &why) != ERR_OK);
    if (!strstr(why.text, sentence)) fail_msg("'%s' lacks '%s'", why.text, sentence);
    CHECK_STR(o.config, "untouched");
}

static void mistakes_get_a_sentence(void **state)
{
    (void)state;
    refused(WORDS(W("--confg"), W("x")), "did you mean --config?");
    refused(WORDS(W("--frobnicate")), "unknown option '--frobnicate'");
    refused(WORDS(W("-x")), "unknown option '-x'");
    refused(WORDS(W("--config")), "--config needs a value");
    refused(WORDS(W("--help=yes")), "takes no value");
    refused(WORDS(W("stray")), "'stray' is not an option");
    refused(WORDS(W("--version"), W("--"), W("stray")), "'stray' is not an option");
    refused(WORDS(W("--port"), W("0")), "1 to 65535");
    refused(WORDS(W("--port"), W("65536")), "0 to 65535");
    refused(WORDS(W("--port"), W("-1")), "0 to 65535");
    refused(WORDS(W("--port"), W("500x")), "'500x'");
    refused(WORDS(W("--port"), W("")), "''");
    refused(WORDS(W("--fwmark"), W("0x100000000")), "4294967295");
    refused(WORDS(W("--port"), W("700"), W("--port-nat-t"), W("700")), "differ");
    refused(WORDS(W("--executor"), W("linux")), "pavise, kernel or auto");
    refused(WORDS(W("--log-level"), W("loud")), "not 'loud'");
}

static void help_names_every_option(void **state)
{
    (void)state;
    static const char *const all[] = {
        "--config", "--vici-socket", "--executor",  "--socket", "--port",    "--port-nat-t",
        "--fwmark", "--keylog",      "--log-level", "--help",   "--version", "--strongswan-conf"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) CHECK(strstr(iked_options_help, all[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_gives_the_defaults),
        cmocka_unit_test(all_options_are_taken),
        cmocka_unit_test(mistakes_get_a_sentence),
        cmocka_unit_test(help_names_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
