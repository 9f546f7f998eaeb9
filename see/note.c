#include "see/note.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct note note_new(const char *kind)
{
    struct note n = {.event = json_object()};
    if (!n.event) return n;
    (void)json_object_set_new(n.event, "kind", json_string(kind));
    n.payloads = json_array();
    n.faults = json_array();
    (void)json_object_set_new(n.event, "payloads", n.payloads);
    (void)json_object_set_new(n.event, "faults", n.faults);
    return n;
}

json_t *note_text(const char *s)
{
    char *copy = strdup(s);
    if (!copy) return NULL;
    for (unsigned char *c = (unsigned char *)copy; *c; c++) {  // what could steer a terminal
        bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0; // U+0080 to U+009F in UTF-8
        if (*c < 0x20 || *c == 0x7f || c1) c[0] = '?';
        if (c1) c[1] = '?';
    }
    json_t *j = json_string(copy);
    for (char *c = copy; !j && *c; c++) {
        if (*c & 0x80) *c = '?'; // no UTF-8
    }
    if (!j) j = json_string(copy);
    free(copy);
    return j;
}

static json_t *formatted(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
static json_t *formatted(const char *fmt, va_list ap)
{
    AUTO(text) struct text t = {0};
    text_addv(&t, fmt, ap);
    return note_text(text_str(&t));
}

void note_set(struct note *n, const char *key, const char *fmt, ...)
{
    va_list ap;
    if (!n->event) return;
    va_start(ap, fmt);
    (void)json_object_set_new(n->event, key, formatted(fmt, ap));
    va_end(ap);
}

void note_number(struct note *n, const char *key, uint64_t value)
{
    if (n->event) (void)json_object_set_new(n->event, key, json_integer((json_int_t)value));
}

void note_fault(struct note *n, enum gravity g, const char *rfc, const char *hint, const char *fmt,
                ...)
{
    static const char *const words[] = {"note", "warning", "error"};
    json_t *j = n->event ? json_object() : NULL;
    va_list ap;
    if (!j) return;
    va_start(ap, fmt);
    (void)json_object_set_new(j, "gravity", json_string(words[g]));
    (void)json_object_set_new(j, "what", formatted(fmt, ap));
    (void)json_object_set_new(j, "rfc", rfc ? json_string(rfc) : json_null());
    (void)json_object_set_new(j, "hint", hint ? note_text(hint) : json_null());
    va_end(ap);
    (void)json_array_append_new(n->faults, j);
}

json_t *note_payload(struct note *n, const char *type, const char *fmt, ...)
{
    json_t *j = n->event ? json_object() : NULL;
    va_list ap;
    if (!j) return NULL;
    va_start(ap, fmt);
    (void)json_object_set_new(j, "type", json_string(type));
    (void)json_object_set_new(j, "text", formatted(fmt, ap));
    va_end(ap);
    (void)json_array_append_new(n->payloads, j);
    return j;
}
