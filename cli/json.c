#include "cli/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "vici/client.h"

void json_add(json_t *array, json_t *element)
{
    if (element) (void)json_array_append_new(array, element);
}

void json_print(json_t *j)
{
    (void)json_dumpf(j, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(j);
}

void json_print_line(json_t *j)
{
    (void)json_dumpf(j, stdout, JSON_COMPACT);
    printf("\n");
    (void)fflush(stdout);
    json_decref(j);
}

static json_t *text_json(span_t s)
{
    char *copy = calloc(s.len + 1, 1);
    if (!copy) return NULL;
    for (size_t i = 0; i < s.len; i++) {
        bool control = s.at[i] < 0x20 || s.at[i] == 0x7f;
        copy[i] = control ? '?' : (char)s.at[i];
    }
    json_t *j = json_stringn(copy, s.len);
    for (size_t i = 0; !j && i < s.len; i++) {
        if (copy[i] & 0x80) copy[i] = '?'; // not UTF-8
    }
    if (!j) j = json_stringn(copy, s.len);
    free(copy);
    return j;
}

// A certificate.
static json_t *hex_json(span_t s)
{
    AUTO(text) struct text t = {0};
    text_hex(&t, s);
    return json_string(text_str(&t));
}

// A message while it becomes JSON: the objects and the list that are open.
struct builder {
    json_t *open[VICI_DEPTH_MAX + 1];
    unsigned depth;
    json_t *list;
};

// true: one element more.
static bool build(struct builder *b, const struct vici_item *item)
{
    char key[VICI_NAME_MAX + 1];
    (void)snprintf(key, sizeof key, "%.*s", (int)item->name.len, (const char *)item->name.at);
    json_t *in = b->open[b->depth], *sub;
    switch (item->type) {
    case VICI_SECTION_START:
        if (b->depth == VICI_DEPTH_MAX) return false;
        sub = json_object();
        b->open[++b->depth] = sub;
        return json_object_set_new(in, key, sub) == 0;
    case VICI_SECTION_END:
        b->depth--;
        return true;
    case VICI_LIST_START:
        b->list = json_array();
        return json_object_set_new(in, key, b->list) == 0;
    case VICI_LIST_ITEM:
        json_add(b->list, text_json(item->value));
        return true;
    case VICI_KEY_VALUE:
        sub = strcmp(key, "data") == 0 ? hex_json(item->value) : text_json(item->value);
        return json_object_set_new(in, key, sub) == 0;
    case VICI_LIST_END:
        return true;
    case VICI_END:
        return false;
    }
    return false;
}

json_t *json_from_vici(span_t elements)
{
    if (vici_check(elements) != ERR_OK) return NULL;
    struct builder b = {.open = {json_object()}};
    struct vici_reader r = vici_reader_from(elements);
    struct vici_item item;
    while (vici_next(&r, &item) == ERR_OK && item.type != VICI_END) {
        if (build(&b, &item)) continue;
        json_decref(b.open[0]);
        return NULL;
    }
    return b.open[0];
}

const char *json_str(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

uint64_t json_u64(const json_t *object, const char *key)
{
    const json_t *j = json_object_get(object, key);
    if (json_is_integer(j)) return (uint64_t)json_integer_value(j);
    const char *s = json_string_value(j);
    return s ? strtoull(s, NULL, 10) : 0;
}

bool json_yes(const json_t *object, const char *key)
{
    return strcmp(json_str(object, key), "yes") == 0;
}

const char *json_words(const json_t *array, char *buf, size_t cap)
{
    size_t at = 0, i;
    json_t *item;
    buf[0] = 0;
    json_array_foreach(array, i, item)
    {
        const char *s = json_string_value(item);
        int n = snprintf(buf + at, cap - at, "%s%s", i ? ", " : "", s ? s : "?");
        if (n < 0 || (size_t)n >= cap - at) break;
        at += (size_t)n;
    }
    return buf;
}
