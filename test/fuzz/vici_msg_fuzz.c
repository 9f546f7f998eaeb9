// Whatever passes vici_check() prints back to the same bytes, and look-ups in it never fail on
// syntax; whatever does not, is refused by the reader at the same place.
#include <stdlib.h>
#include <string.h>

#include "vici/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

// One element, written again. The writer takes C strings: a NUL inside cannot come back.
static bool copy_item(struct vici_msg *m, const struct vici_item *item)
{
    static char name[VICI_NAME_MAX + 1], value[VICI_VALUE_MAX + 1];
    if (item->name.len) memcpy(name, item->name.at, item->name.len);
    if (item->value.len) memcpy(value, item->value.at, item->value.len);
    name[item->name.len] = 0;
    value[item->value.len] = 0;
    if (strlen(name) != item->name.len || strlen(value) != item->value.len) return false;
    switch (item->type) {
    case VICI_SECTION_START:
        vici_section(m, name);
        break;
    case VICI_SECTION_END:
        vici_section_end(m);
        break;
    case VICI_KEY_VALUE:
        vici_kv(m, name, "%s", value);
        break;
    case VICI_LIST_START:
        vici_list(m, name);
        break;
    case VICI_LIST_ITEM:
        vici_item(m, "%s", value);
        break;
    case VICI_LIST_END:
        vici_list_end(m);
        break;
    case VICI_END:
        break;
    }
    return true;
}

static void check_elements(span_t elements)
{
    struct vici_reader r = vici_reader_from(elements);
    struct vici_item item = {.type = VICI_SECTION_START};
    struct vici_msg copy = {0};
    bool whole = true;
    err_t e = ERR_OK;
    while (e == ERR_OK && item.type != VICI_END) {
        e = vici_next(&r, &item);
        if (e == ERR_OK) whole = copy_item(&copy, &item) && whole;
    }
    if ((e == ERR_OK) != (vici_check(elements) == ERR_OK)) __builtin_trap();
    if (e == ERR_OK && whole && !copy.bad && !span_eq(vici_span(&copy), elements)) __builtin_trap();
    vici_msg_done(&copy);
    span_t got;
    char text[64];
    err_t found = vici_get(elements, "a.b.c", &got);
    if (e == ERR_OK && found != ERR_OK && found != ERR_NOTFOUND) __builtin_trap();
    if (vici_get_str(elements, "child", text, sizeof text) == ERR_OK &&
        strlen(text) >= sizeof text) {
        __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    struct vici_head head;
    if (n > VICI_PACKET_MAX || vici_head_read(span(in, n), &head) != ERR_OK) return 0;
    check_elements(head.elements);
    return 0;
}
