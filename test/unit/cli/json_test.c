// VICI messages as JSON: shape, hostile bytes, broken messages.
#include <string.h>

#include "cli/json.h"
#include "test/check.h"
#include "vici/client.h"

static json_t *build_message(void)
{
    struct vici_msg m = {0};
    vici_kv(&m, "up", "yes");
    vici_section(&m, "gw");
    vici_kv(&m, "uniqueid", "%u", 7U);
    vici_section(&m, "child-sas");
    vici_section(&m, "net-1");
    vici_list(&m, "local-ts");
    vici_item(&m, "10.1.0.0/16");
    vici_item(&m, "10.9.0.0/16");
    vici_list_end(&m);
    vici_section_end(&m);
    vici_section_end(&m);
    vici_section_end(&m);
    vici_kv(&m, "bytes", "12345678901");
    json_t *j = json_from_vici(vici_span(&m));
    vici_msg_done(&m);
    return j;
}

static void sections_and_lists_nest(void **state)
{
    (void)state;
    char words[64];
    json_t *j = build_message();
    CHECK(j != NULL);
    CHECK(json_yes(j, "up"));
    CHECK_EQ(json_u64(j, "bytes"), 12345678901);
    json_t *gw = json_object_get(j, "gw");
    CHECK_STR(json_str(gw, "uniqueid"), "7");
    CHECK_STR(json_str(gw, "absent"), "");
    json_t *child = json_object_get(json_object_get(gw, "child-sas"), "net-1");
    json_words(json_object_get(child, "local-ts"), words, sizeof words);
    CHECK_STR(words, "10.1.0.0/16, 10.9.0.0/16");
    json_decref(j);
}

static void terminals_are_safe(void **state)
{
    (void)state;
    struct vici_msg m = {0};
    vici_kv(&m, "msg", "a\033[2Jb\r\nc");
    vici_kv(&m, "bad", "\xff\xfe x");
    vici_kv(&m, "good", "gr\xc3\xbc\xc3\x9f");
    json_t *j = json_from_vici(vici_span(&m));
    CHECK_STR(json_str(j, "msg"), "a?[2Jb??c");
    CHECK_STR(json_str(j, "bad"), "?? x");
    CHECK_STR(json_str(j, "good"), "gr\xc3\xbc\xc3\x9f");
    json_decref(j);
    vici_msg_done(&m);
}

static void broken_messages_are_none(void **state)
{
    (void)state;
    static const uint8_t unclosed[] = {1, 1, 'a'}, stray[] = {2}, cut[] = {3, 4, 'a', 'b'};
    CHECK(json_from_vici(SPAN(unclosed)) == NULL);
    CHECK(json_from_vici(SPAN(stray)) == NULL);
    CHECK(json_from_vici(SPAN(cut)) == NULL);
    json_t *empty = json_from_vici(span(NULL, 0));
    CHECK(json_is_object(empty) && json_object_size(empty) == 0);
    json_decref(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_and_lists_nest),
        cmocka_unit_test(terminals_are_safe),
        cmocka_unit_test(broken_messages_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
