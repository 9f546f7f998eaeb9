// What is written can be read; what is not well-formed is refused.
#include "test/check.h"

#include <stdlib.h>
#include <string.h>

#include "vici/msg.h"

// The example of strongSwan's README, byte by byte.
static const uint8_t example[] = {
    3,   4,   'k', 'e', 'y', '1', 0,   6,   'v', 'a', 'l', 'u', 'e', '1', 1,   8,
    's', 'e', 'c', 't', 'i', 'o', 'n', '1', 1,   11,  's', 'u', 'b', '-', 's', 'e',
    'c', 't', 'i', 'o', 'n', 3,   4,   'k', 'e', 'y', '2', 0,   6,   'v', 'a', 'l',
    'u', 'e', '2', 2,   4,   5,   'l', 'i', 's', 't', '1', 5,   0,   5,   'i', 't',
    'e', 'm', '1', 5,   0,   5,   'i', 't', 'e', 'm', '2', 6,   2,
};

static void the_readme_example_is_written(void **state)
{
    (void)state;
    struct vici_msg m = {0};
    vici_kv(&m, "key1", "value%d", 1);
    vici_section(&m, "section1");
    vici_section(&m, "sub-section");
    vici_kv(&m, "key2", "value2");
    vici_section_end(&m);
    vici_list(&m, "list1");
    vici_item(&m, "item%d", 1);
    vici_item(&m, "item%d", 2);
    vici_list_end(&m);
    vici_section_end(&m);
    CHECK(!m.bad);
    CHECK_EQ(m.len, sizeof example);
    assert_memory_equal(m.at, example, sizeof example);
    vici_msg_done(&m);
}

static void the_readme_example_is_read(void **state)
{
    (void)state;
    static const enum vici_element want[] = {
        VICI_KEY_VALUE,   VICI_SECTION_START, VICI_SECTION_START, VICI_KEY_VALUE,
        VICI_SECTION_END, VICI_LIST_START,    VICI_LIST_ITEM,     VICI_LIST_ITEM,
        VICI_LIST_END,    VICI_SECTION_END,   VICI_END,
    };
    struct vici_reader r = vici_reader_from(SPAN(example));
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct vici_item item;
        CHECK_OK(vici_next(&r, &item));
        CHECK_EQ(item.type, want[i]);
        if (i == 6) CHECK(span_eq(item.value, span_str("item1")));
        if (i == 1) CHECK(span_eq(item.name, span_str("section1")));
    }
}

static void every_cut_is_noticed(void **state)
{
    (void)state;
    for (size_t n = 1; n < sizeof example; n++) {
        uint8_t *exact = malloc(n);
        assert_non_null(exact);
        memcpy(exact, example, n);
        // Only after the first key and value does a whole message end by chance.
        CHECK_EQ(vici_check(span(exact, n)) == ERR_OK, n == 14);
        free(exact);
    }
}

static void refused(const char *bytes, size_t n, err_t want)
{
    CHECK_EQ(vici_check(span(bytes, n)), want);
}
#define REFUSED(bytes, want) refused(bytes, sizeof bytes - 1, want)

static void bad_nesting_is_refused(void **state)
{
    (void)state;
    REFUSED("\2", ERR_SYNTAX);                // end without start
    REFUSED("\1\1a", ERR_SYNTAX);             // start without end
    REFUSED("\1\1a\2\2", ERR_SYNTAX);         // one end too many
    REFUSED("\5\0\1x", ERR_SYNTAX);           // item outside of a list
    REFUSED("\6", ERR_SYNTAX);                // list end without list
    REFUSED("\4\1l", ERR_SYNTAX);             // list without end
    REFUSED("\4\1l\3\1k\0\1v\6", ERR_SYNTAX); // key in a list
    REFUSED("\4\1l\4\1m\6\6", ERR_SYNTAX);    // list in a list
    REFUSED("\4\1l\1\1s\2\6", ERR_SYNTAX);    // section in a list
    REFUSED("\1\1s\4\1l\2\6", ERR_SYNTAX);    // crossed ends
    REFUSED("\0", ERR_SYNTAX);                // no such element
    REFUSED("\7", ERR_SYNTAX);
    REFUSED("\3\5k", ERR_SHORT);
    REFUSED("\3\1k\0\5v", ERR_SHORT);
    REFUSED("\3\1k\377\377v", ERR_SHORT);
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    struct vici_msg m = {0};
    for (int i = 0; i < VICI_DEPTH_MAX; i++) vici_section(&m, "s");
    for (int i = 0; i < VICI_DEPTH_MAX; i++) vici_section_end(&m);
    CHECK_OK(vici_check(vici_span(&m)));
    vici_msg_done(&m);
    for (int i = 0; i <= VICI_DEPTH_MAX; i++) vici_section(&m, "s");
    for (int i = 0; i <= VICI_DEPTH_MAX; i++) vici_section_end(&m);
    CHECK_EQ(vici_check(vici_span(&m)), ERR_LIMIT);
    vici_msg_done(&m);
}

static void an_error_sticks(void **state)
{
    (void)state;
    struct vici_reader r = vici_reader_from(span_str("\2\3\1k"));
    struct vici_item item;
    CHECK_EQ(vici_next(&r, &item), ERR_SYNTAX);
    CHECK_EQ(vici_next(&r, &item), ERR_SHORT);
    CHECK_EQ(vici_next(&r, &item), ERR_SHORT);
}

static void lookup(struct vici_msg *m, const char *path, const char *want)
{
    char got[16];
    if (!want) {
        CHECK_EQ(vici_get_str(vici_span(m), path, got, sizeof got), ERR_NOTFOUND);
        return;
    }
    CHECK_OK(vici_get_str(vici_span(m), path, got, sizeof got));
    CHECK_STR(got, want);
}

static void values_are_found_by_path(void **state)
{
    (void)state;
    struct vici_msg m = {0};
    vici_section(&m, "other");
    vici_kv(&m, "key", "wrong");
    vici_section(&m, "a");
    vici_kv(&m, "key", "wrong too");
    vici_section_end(&m);
    vici_section_end(&m);
    vici_section(&m, "a");
    vici_kv(&m, "b.c", "dotted");
    vici_section(&m, "b");
    vici_kv(&m, "d", "deep");
    vici_section_end(&m);
    vici_kv(&m, "key", "right");
    vici_section_end(&m);
    vici_kv(&m, "key", "top");
    vici_kv(&m, "empty", "%s", "");
    lookup(&m, "key", "top");
    lookup(&m, "a.key", "right");
    lookup(&m, "a.b.d", "deep");
    lookup(&m, "a.b.c", "dotted");
    lookup(&m, "other.a.key", "wrong too");
    lookup(&m, "empty", "");
    lookup(&m, "a", NULL);
    lookup(&m, "a.d", NULL);
    lookup(&m, "b.d", NULL);
    lookup(&m, "", NULL);
    vici_msg_done(&m);
}

static void strings_are_bounded_and_clean(void **state)
{
    (void)state;
    char got[4];
    CHECK_EQ(vici_get_str(span_str("\3\1k"), "k", got, sizeof got), ERR_SHORT);
    CHECK_OK(vici_get_str(span("\3\1k\0\3abc", 8), "k", got, sizeof got));
    CHECK_STR(got, "abc");
    CHECK_EQ(vici_get_str(span("\3\1k\0\4abcd", 9), "k", got, sizeof got), ERR_SPACE);
    CHECK_EQ(vici_get_str(span("\3\1k\0\3a\0c", 8), "k", got, sizeof got), ERR_SYNTAX);
}

static void what_does_not_fit_makes_the_message_bad(void **state)
{
    (void)state;
    char *big = calloc(1, VICI_VALUE_MAX + 2);
    assert_non_null(big);
    memset(big, 'x', VICI_VALUE_MAX);
    struct vici_msg m = {0};
    vici_kv(&m, "k", "%s", big);
    CHECK(!m.bad);
    CHECK_OK(vici_check(vici_span(&m)));
    for (int i = 0; i < 7; i++) vici_kv(&m, "k", "%s", big);
    CHECK(m.bad); // eight of them are more than a packet
    CHECK(m.len <= VICI_PACKET_MAX);
    vici_msg_done(&m);
    big[VICI_VALUE_MAX] = 'x';
    vici_kv(&m, "k", "%s", big);
    CHECK(m.bad);
    vici_msg_done(&m);
    big[VICI_NAME_MAX] = 0;
    vici_section(&m, big);
    CHECK(!m.bad);
    big[VICI_NAME_MAX] = 'x';
    big[VICI_NAME_MAX + 1] = 0;
    vici_section(&m, big);
    CHECK(m.bad);
    vici_msg_done(&m);
    free(big);
}

static void packets_have_heads(void **state)
{
    (void)state;
    struct vici_msg p = {0};
    CHECK_OK(vici_packet_write(&p, VICI_EVENT, "list-sa", SPAN(example)));
    CHECK_EQ(p.len, 4 + 2 + 7 + sizeof example);
    CHECK_EQ(p.at[3], p.len - 4);
    struct vici_head head;
    CHECK_OK(vici_head_read(span(p.at + 4, p.len - 4), &head));
    CHECK_EQ(head.type, VICI_EVENT);
    CHECK(span_eq(head.name, span_str("list-sa")));
    CHECK(span_eq(head.elements, SPAN(example)));
    vici_msg_done(&p);
    CHECK_EQ(vici_head_read(span("", 0), &head), ERR_SHORT);
    CHECK_EQ(vici_head_read(span("\10", 1), &head), ERR_SYNTAX);
    CHECK_EQ(vici_head_read(span("\0", 1), &head), ERR_SHORT);
    CHECK_EQ(vici_head_read(span("\0\5abc", 5), &head), ERR_SHORT);
    CHECK_OK(vici_head_read(span("\1", 1), &head));
    CHECK_EQ(head.elements.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_readme_example_is_written),
        cmocka_unit_test(the_readme_example_is_read),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(bad_nesting_is_refused),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(an_error_sticks),
        cmocka_unit_test(values_are_found_by_path),
        cmocka_unit_test(strings_are_bounded_and_clean),
        cmocka_unit_test(what_does_not_fit_makes_the_message_bad),
        cmocka_unit_test(packets_have_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
