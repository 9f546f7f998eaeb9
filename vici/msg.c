#include "vici/msg.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"

#define FIRST_CAP 256 // bytes: most answers are small

// ---- packets ----

static bool type_is_named(enum vici_packet type)
{
    return type == VICI_CMD_REQUEST || type == VICI_EVENT_REGISTER ||
           type == VICI_EVENT_UNREGISTER || type == VICI_EVENT;
}

err_t vici_head_read(span_t packet, struct vici_head *out)
{
    rd_t r = rd_from(packet);
    uint8_t type = rd_u8(&r);
    struct vici_head head = {.type = (enum vici_packet)type};
    if (type > VICI_EVENT) return ERR_SYNTAX;
    if (type_is_named(head.type)) head.name = rd_bytes(&r, rd_u8(&r));
    head.elements = rd_rest(&r);
    TRY(rd_done(&r));
    *out = head;
    return ERR_OK;
}

// ---- writing ----

// Room for n more bytes; NULL once the message is bad. A message that fits no packet is bad, so
// that a runaway list cannot eat the memory.
static uint8_t *room(struct vici_msg *m, size_t n)
{
    if (m->bad || n > VICI_PACKET_MAX || m->len > VICI_PACKET_MAX - n) {
        m->bad = true;
        return NULL;
    }
    if (m->len + n > m->cap) {
        size_t cap = m->cap ? m->cap : FIRST_CAP;
        while (cap < m->len + n) cap *= 2;
        uint8_t *at = realloc(m->at, cap);
        if (!at) {
            m->bad = true;
            return NULL;
        }
        m->at = at;
        m->cap = cap;
    }
    uint8_t *at = m->at + m->len;
    m->len += n;
    return at;
}

static void add_type(struct vici_msg *m, enum vici_element type)
{
    uint8_t *at = room(m, 1);
    if (at) *at = (uint8_t)type;
}

static void add_named(struct vici_msg *m, enum vici_element type, const char *name)
{
    size_t n = strlen(name);
    if (n > VICI_NAME_MAX) {
        m->bad = true;
        return;
    }
    uint8_t *at = room(m, 2 + n);
    if (!at) return;
    at[0] = (uint8_t)type;
    at[1] = (uint8_t)n;
    memcpy(at + 2, name, n);
}

static void add_value(struct vici_msg *m, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void add_value(struct vici_msg *m, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0 || n > VICI_VALUE_MAX) {
        m->bad = true;
        return;
    }
    // One byte more for vsnprintf's terminator, given back at once.
    uint8_t *at = room(m, 2 + (size_t)n + 1);
    if (!at) return;
    put16(at, (uint16_t)n);
    (void)vsnprintf((char *)at + 2, (size_t)n + 1, fmt, ap);
    m->len--;
}

void vici_section(struct vici_msg *m, const char *name)
{
    add_named(m, VICI_SECTION_START, name);
}

void vici_section_end(struct vici_msg *m)
{
    add_type(m, VICI_SECTION_END);
}

void vici_kv(struct vici_msg *m, const char *key, const char *fmt, ...)
{
    add_named(m, VICI_KEY_VALUE, key);
    va_list ap;
    va_start(ap, fmt);
    add_value(m, fmt, ap);
    va_end(ap);
}

void vici_kv_bytes(struct vici_msg *m, const char *key, span_t value)
{
    add_named(m, VICI_KEY_VALUE, key);
    if (value.len > VICI_VALUE_MAX) m->bad = true;
    uint8_t *at = m->bad ? NULL : room(m, 2 + value.len);
    if (!at) return;
    put16(at, (uint16_t)value.len);
    if (value.len) memcpy(at + 2, value.at, value.len);
}

void vici_list(struct vici_msg *m, const char *name)
{
    add_named(m, VICI_LIST_START, name);
}

void vici_item(struct vici_msg *m, const char *fmt, ...)
{
    add_type(m, VICI_LIST_ITEM);
    va_list ap;
    va_start(ap, fmt);
    add_value(m, fmt, ap);
    va_end(ap);
}

void vici_list_end(struct vici_msg *m)
{
    add_type(m, VICI_LIST_END);
}

err_t vici_packet_write(struct vici_msg *out, enum vici_packet type, const char *name,
                        span_t elements)
{
    size_t name_len = name ? strlen(name) : 0;
    size_t len = 1 + (name ? 1 + name_len : 0) + elements.len;
    if (name_len > VICI_NAME_MAX || elements.len > VICI_PACKET_MAX || len > VICI_PACKET_MAX) {
        return ERR_SPACE;
    }
    uint8_t *at = malloc(4 + len);
    if (!at) return ERR_NOMEM;
    wr_t w = wr_into(at, 4 + len);
    wr_u32(&w, (uint32_t)len);
    wr_u8(&w, (uint8_t)type);
    if (name) {
        wr_u8(&w, (uint8_t)name_len);
        wr_bytes(&w, span(name, name_len));
    }
    wr_bytes(&w, elements);
    *out = (struct vici_msg){.at = at, .len = wr_len(&w), .cap = 4 + len};
    return ERR_OK;
}

void vici_msg_done(struct vici_msg *m)
{
    free(m->at);
    *m = (struct vici_msg){0};
}

// ---- reading ----

struct vici_reader vici_reader_from(span_t elements)
{
    return (struct vici_reader){.r = rd_from(elements)};
}

static err_t refuse(struct vici_reader *r, err_t why)
{
    r->r.bad = true; // sticks: the next call says ERR_SHORT
    return why;
}

// Is this element allowed here? Keeps track of the nesting.
static err_t nest(struct vici_reader *r, uint8_t type)
{
    if (r->in_list != (type == VICI_LIST_ITEM || type == VICI_LIST_END)) return ERR_SYNTAX;
    switch (type) {
    case VICI_SECTION_START:
        if (r->depth == VICI_DEPTH_MAX) return ERR_LIMIT;
        r->depth++;
        return ERR_OK;
    case VICI_SECTION_END:
        if (r->depth == 0) return ERR_SYNTAX;
        r->depth--;
        return ERR_OK;
    case VICI_LIST_START:
        r->in_list = true;
        return ERR_OK;
    case VICI_LIST_END:
        r->in_list = false;
        return ERR_OK;
    case VICI_KEY_VALUE:
    case VICI_LIST_ITEM:
        return ERR_OK;
    default:
        return ERR_SYNTAX;
    }
}

err_t vici_next(struct vici_reader *r, struct vici_item *out)
{
    if (r->r.bad) return ERR_SHORT;
    if (rd_left(&r->r) == 0) {
        if (r->depth || r->in_list) return refuse(r, ERR_SYNTAX);
        *out = (struct vici_item){.type = VICI_END};
        return ERR_OK;
    }
    uint8_t type = rd_u8(&r->r);
    err_t nested = nest(r, type);
    if (nested != ERR_OK) return refuse(r, nested);
    struct vici_item item = {.type = (enum vici_element)type};
    if (type == VICI_SECTION_START || type == VICI_KEY_VALUE || type == VICI_LIST_START) {
        item.name = rd_bytes(&r->r, rd_u8(&r->r));
    }
    if (type == VICI_KEY_VALUE || type == VICI_LIST_ITEM) {
        item.value = rd_bytes(&r->r, rd_u16(&r->r));
    }
    if (r->r.bad) return ERR_SHORT;
    *out = item;
    return ERR_OK;
}

err_t vici_check(span_t elements)
{
    struct vici_reader r = vici_reader_from(elements);
    struct vici_item item;
    do {
        TRY(vici_next(&r, &item));
    } while (item.type != VICI_END);
    return ERR_OK;
}

err_t vici_get(span_t elements, const char *path, span_t *out)
{
    struct vici_reader r = vici_reader_from(elements);
    struct vici_item item;
    // rest[d]: what of the path is still to be found inside the section at depth d, for the
    // sections that are on the path; `on` is how many of the open ones are.
    span_t rest[VICI_DEPTH_MAX + 1] = {span_str(path)};
    unsigned on = 0;
    for (;;) {
        unsigned depth = r.depth;
        TRY(vici_next(&r, &item));
        if (item.type == VICI_END) return ERR_NOTFOUND;
        if (item.type == VICI_SECTION_END && r.depth < on) on = r.depth;
        if (depth != on) continue;
        span_t want = rest[on];
        if (item.type == VICI_KEY_VALUE && span_eq(item.name, want)) {
            *out = item.value;
            return ERR_OK;
        }
        if (item.type == VICI_SECTION_START && want.len > item.name.len &&
            want.at[item.name.len] == '.' && span_eq(item.name, span(want.at, item.name.len))) {
            size_t used = item.name.len + 1;
            rest[++on] = span(want.at + used, want.len - used);
        }
    }
}

err_t vici_get_str(span_t elements, const char *path, char *out, size_t cap)
{
    span_t value;
    TRY(vici_get(elements, path, &value));
    if (value.len >= cap) return ERR_SPACE;
    if (value.len && memchr(value.at, 0, value.len)) return ERR_SYNTAX;
    if (value.len) memcpy(out, value.at, value.len);
    out[value.len] = 0;
    return ERR_OK;
}
