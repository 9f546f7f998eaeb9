// msg.h - VICI messages: what strongSwan's control protocol carries (README of its vici plugin).
// Transport: 32-bit big-endian length, packet type, then for commands and events a name, then
// elements. Sections nest; keys have 8-bit lengths, values 16-bit lengths.
#pragma once

#include "base/cursor.h"

#define VICI_PACKET_MAX (512 * 1024) // bytes, as strongSwan
#define VICI_DEPTH_MAX 32            // nested sections; deeper is ERR_LIMIT
#define VICI_SOCKET "/var/run/charon.vici"

enum vici_packet {
    VICI_CMD_REQUEST = 0, VICI_CMD_RESPONSE = 1, VICI_CMD_UNKNOWN = 2, VICI_EVENT_REGISTER = 3,
    VICI_EVENT_UNREGISTER = 4, VICI_EVENT_CONFIRM = 5, VICI_EVENT_UNKNOWN = 6, VICI_EVENT = 7,
};
enum vici_element {
    VICI_END = 0, // of the message
    VICI_SECTION_START = 1, VICI_SECTION_END = 2, VICI_KEY_VALUE = 3,
    VICI_LIST_START = 4, VICI_LIST_ITEM = 5, VICI_LIST_END = 6,
};

// ---- writing: grows as needed; vici_done() frees ----
struct vici_msg {
    uint8_t *at;
    size_t len, cap;
    bool bad; // out of memory, or a name or value too long
};
void vici_section(struct vici_msg *m, const char *name);
void vici_section_end(struct vici_msg *m);
void vici_kv(struct vici_msg *m, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void vici_list(struct vici_msg *m, const char *name);
void vici_item(struct vici_msg *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void vici_list_end(struct vici_msg *m);
static inline span_t vici_span(const struct vici_msg *m) { return span(m->at, m->len); }
void vici_msg_done(struct vici_msg *m);

// ---- reading: one element at a time; names and values borrow ----
struct vici_item {
    enum vici_element type;
    span_t name, value;
};
struct vici_reader {
    rd_t r;
    unsigned depth;
    bool in_list;
};
struct vici_reader vici_reader_from(span_t elements);
// Errors: ERR_SHORT, ERR_SYNTAX (bad nesting, unknown element), ERR_LIMIT.
err_t vici_next(struct vici_reader *r, struct vici_item *out);
// Checks a whole message. Then vici_get/vici_get_list cannot fail on syntax.
err_t vici_check(span_t elements);
// The value of "key" at top level, or of "section.key"; ERR_NOTFOUND.
err_t vici_get(span_t elements, const char *path, span_t *out);
