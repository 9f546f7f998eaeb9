#include "daemon/xfrmd_options.h"
#include "xfrm/path/mss.h"

#include <stdio.h>
#include <string.h>

#include "test/check.h"

#define ARGS_MAX 10

static err_t read_line(const char *const *args, struct xfrmd_options *o, struct why *why)
{
    static char words[ARGS_MAX][32]; // what is read borrows from them
    char *argv[ARGS_MAX + 1] = {words[0]};
    int argc = 1;
    for (; args[argc - 1]; argc++) {
        argv[argc] = words[argc];
        (void)snprintf(words[argc], sizeof words[argc], "%s", args[argc - 1]);
    }
    return xfrmd_options_read(argc, argv, o, why);
}

#define READ(o, why, ...) read_line((const char *const[]){__VA_ARGS__, NULL}, o, why)

static void nothing_given_means_the_defaults(void **state)
{
    (void)state;
    struct xfrmd_options o;
    struct why why;
    CHECK_OK(read_line((const char *const[]){NULL}, &o, &why));
    CHECK_STR(o.tun, "pavise0");
    CHECK_STR(o.socket, "@pavise-xfrm");
    CHECK_EQ(o.mtu, 1400);
    CHECK_EQ(o.port, 4500);
    CHECK_EQ(o.table, XFRMD_TABLE);
    CHECK_EQ(o.grace, 60);
    CHECK_EQ(o.workers, 1);
    CHECK_EQ(o.dummy_rate, 0);
    CHECK_EQ(o.fwmark, 0x50415649);
    CHECK_EQ(o.guard, GUARD_AUTO);
    CHECK_EQ(o.forward_clear, PAST_AUTO);
    CHECK_EQ(o.clear_mark, 0x8000000);
    CHECK_EQ(o.idle_seconds, 0);
    CHECK_EQ(o.log_level, LOG_STORY);
    CHECK(!o.no_raw && !o.no_udp && !o.allow_clear_in && !o.legacy && !o.help && !o.version);
}

static void everything_given_is_taken(void **state)
{
    (void)state;
    struct xfrmd_options o;
    struct why why;
    CHECK_OK(READ(&o, &why, "--fwmark=0x42", "--table", "1000", "--guard", "nft", "--no-raw"));
    CHECK_EQ(o.fwmark, 0x42);
    CHECK_EQ(o.table, 1000);
    CHECK_EQ(o.guard, GUARD_NFT);
    CHECK(o.no_raw && !o.no_udp);
    CHECK_OK(READ(&o, &why, "--forward-clear", "never", "--clear-mark", "0x100"));
    CHECK_EQ(o.forward_clear, PAST_NEVER);
    CHECK_EQ(o.clear_mark, 0x100);
    CHECK_OK(READ(&o, &why, "--grace", "0"));
    CHECK_EQ(o.grace, 0);
    CHECK_OK(READ(&o, &why, "--allow-clear-in", "--foreground", "--log-level", "debug", "--help",
                  "--legacy", "--exit-when-idle", "30"));
    CHECK_EQ(o.idle_seconds, 30);
    CHECK(o.allow_clear_in && o.help && o.legacy);
    CHECK_EQ(o.log_level, LOG_DEBUG);
    CHECK_OK(READ(&o, &why, "--mss-clamp", "auto"));
    CHECK_EQ(o.mss, MSS_AUTO);
    CHECK_OK(READ(&o, &why, "--mss-clamp", "1200"));
    CHECK_EQ(o.mss, 1200);
    CHECK_OK(READ(&o, &why, "--dummy-traffic", "1000"));
    CHECK_EQ(o.dummy_rate, 1000);
    CHECK_OK(READ(&o, &why, "--xdp", "eth0"));
    CHECK_STR(o.xdp[XDP_OUTER], "eth0");
    CHECK_STR(o.xdp[XDP_INNER], "");
    CHECK_OK(READ(&o, &why, "--xdp", "eth0,a23456789012345"));
    CHECK_STR(o.xdp[XDP_INNER], "a23456789012345");
    CHECK_EQ(READ(&o, &why, "--mss-clamp", "87"), ERR_RANGE);
    CHECK_EQ(READ(&o, &why, "--mss-clamp", "many"), ERR_RANGE);
}

static void check_refused(const char *option, const char *value, const char *sentence)
{
    struct xfrmd_options o = {.mtu = 7};
    struct why why = {""};
    CHECK(READ(&o, &why, option, value) != ERR_OK);
    if (!strstr(why.text, sentence)) fail_msg("'%s' lacks '%s'", why.text, sentence);
    CHECK_EQ(o.mtu, 7); // out is set on success only
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    check_refused("--gaurd", NULL, "did you mean --guard?");
    check_refused("--mtu", NULL, "--mtu needs a value");
    check_refused("--mtu", "100", "from 1280 to 9216, not '100'");
    check_refused("--mtu", "1400x", "not '1400x'");
    check_refused("--mtu", "-1", "not '-1'");
    check_refused("--port", "0", "from 1 to 65535");
    check_refused("--port", "65536", "from 1 to 65535");
    check_refused("--fwmark", "0", "from 1 to");
    check_refused("--dummy-traffic", "1001", "from 0 to 1000");
    check_refused("--xdp", "", "takes the outer interface, or OUTER,INNER");
    check_refused("--xdp", "eth0,", "takes the outer interface, or OUTER,INNER");
    check_refused("--xdp", "eth0,eth1,eth2", "takes the outer interface, or OUTER,INNER");
    check_refused("--xdp", "a234567890123456", "takes the outer interface, or OUTER,INNER");
    check_refused("--xdp", "eth0,eth0", "must differ, both are eth0");
    check_refused("--grace", "90000", "from 0 to 86400");
    check_refused("--table", "254", "one of the kernel's own tables");
    check_refused("--exit-when-idle", "0", "from 1 to 86400");
    check_refused("--guard", "maybe", "one of auto, xfrm, nft, off, not 'maybe'");
    check_refused("--forward-clear", "on", "one of auto, always, never, not 'on'");
    check_refused("--clear-mark", "0", "from 1 to");
    check_refused("--clear-mark", "0x300", "must be one bit");
    check_refused("--clear-mark", "0x400", "none of --fwmark 0x50415649");
    check_refused("--log-level", "loud", "one of error, warn, story, info, debug");
    check_refused("--no-udp=1", NULL, "takes no value");
    check_refused("eth0", NULL, "'eth0' is not an option");
    check_refused("--no-udp", "--no-raw", "leave no way out");
}

static void workers_are_a_number_or_as_many_as_cpus(void **state)
{
    (void)state;
    struct xfrmd_options o;
    struct why why = {""};
    CHECK_OK(READ(&o, &why, "--workers", "4"));
    CHECK_EQ(o.workers, 4);
    CHECK_OK(READ(&o, &why, "--workers", "auto"));
    CHECK(o.workers >= 1 && o.workers <= 64);
    CHECK_EQ(READ(&o, &why, "--workers", "0"), ERR_RANGE);
    CHECK_EQ(READ(&o, &why, "--workers", "65"), ERR_RANGE);
    CHECK_EQ(READ(&o, &why, "--workers", "many"), ERR_RANGE);
    CHECK_STR(why.text, "--workers takes a number from 1 to 64, not 'many'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_means_the_defaults),
        cmocka_unit_test(workers_are_a_number_or_as_many_as_cpus),
        cmocka_unit_test(everything_given_is_taken),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
