// The rules by which flows remember their SA, as text. Whether packets obey is tried in test/net.
#include "daemon/connmark.h"

#include <string.h>

#include "test/check.h"

#define WHOLE(v)        \
    {                   \
        (v), UINT32_MAX \
    }

static void has(const struct text *script, const char *want, bool there)
{
    const char *at = strstr(text_str(script), want);
    if ((at != NULL) != there)
        fail_msg("'%s': %s in %s", want, there ? "not" : "found", text_str(script));
}

static void nothing_where_none_is_for_flows(void **state)
{
    (void)state;
    const struct connmark all[] = {{WHOLE(1), "pavise0-1", false, false},
                                   {WHOLE(2), NULL, true, true}}; // gone
    AUTO(text) struct text script = {0};
    connmark_rules(all, 2, &script);
    CHECK_EQ(script.len, 0);
}

static void each_flow_keeps_the_mark_it_came_with(void **state)
{
    (void)state;
    const struct connmark all[] = {{WHOLE(1), "pavise0-1", true, false},
                                   {WHOLE(2), "pavise0-2", true, false},
                                   {WHOLE(3), "pavise0-3", false, false}, // given, and no more
                                   {WHOLE(4), NULL, true, false},         // its SA has not come yet
                                   {WHOLE(5), NULL, true, true}};         // it has gone
    AUTO(text) struct text script = {0};
    connmark_rules(all, 5, &script);
    has(&script, "type filter hook prerouting priority -149", true); // behind conntrack
    has(&script,
        "  iifname \"pavise0-2\" ct mark and 0xffffffff { 0x1, 0x4 } drop\n"
        "  iifname \"pavise0-2\" ct mark and 0xffffffff { 0x0, 0x2, 0x5 } ct mark set ct mark and "
        "0x0 or 0x2\n",
        true);
    has(&script, "0x5 meta", false);
    has(&script, "pavise0-3", false);
    has(&script, "type route hook output priority -149", true);
    has(&script,
        "  meta mark and 0xffffffff == 0x0 ct mark and 0xffffffff == 0x1 meta mark set meta mark "
        "and 0x0 or 0x1\n",
        true);
    has(&script, "ct mark and 0xffffffff == 0x4 meta", true);
    has(&script, "ct mark and 0xffffffff == 0x3 meta", false);
}

// Bits outside of the mask are others', and marks of another mask no business of this one.
static void only_the_masks_bits_are_written(void **state)
{
    (void)state;
    const struct connmark all[] = {{{0x100, 0xff00}, NULL, true, false},
                                   {WHOLE(0x142), "pavise0-2", false, false},
                                   {WHOLE(7), "pavise0-3", true, false}};
    AUTO(text) struct text script = {0};
    connmark_rules(all, 3, &script);
    has(&script,
        "  iifname \"pavise0-2\" ct mark and 0xff00 { 0x0, 0x100 } ct mark set ct mark and "
        "0xffff00ff or 0x100\n",
        true);
    has(&script, "  iifname \"pavise0-3\" ct mark and 0xff00", false);
    has(&script,
        "  meta mark and 0xff00 == 0x0 ct mark and 0xff00 == 0x100 meta mark set meta mark and "
        "0xffff00ff or 0x100\n",
        true);
    has(&script, "ct mark and 0xffffffff { 0x0, 0x7 }", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_where_none_is_for_flows),
        cmocka_unit_test(each_flow_keeps_the_mark_it_came_with),
        cmocka_unit_test(only_the_masks_bits_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
