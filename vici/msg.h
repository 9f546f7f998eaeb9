// msg.h - VICI messages: what strongSwan's control protocol carries (README of its vici plugin).
// Transport: 32-bit big-endian length, packet type, then for commands and events a name, then
// elements. Sections nest, lists do not; keys have 8-bit lengths, values 16-bit lengths.
#pragma once

#include "base/cursor.h"

#define VICI_PACKET_MAX (512 * 1024) // bytes after the length word, as strongSwan
#define VICI_DEPTH_MAX 32            // nested sections; deeper is ERR_LIMIT
#define VICI_NAME_MAX 255            // bytes of a command, event, section or key name
#define VICI_VALUE_MAX 65535         // bytes of a value
#define VICI_SOCKET "/var/run/charon.vici"

enum vici_packet {
    VICI_CMD_REQUEST = 0,
    VICI_CMD_RESPONSE = 1,
    VICI_CMD_UNKNOWN = 2,
    VICI_EVENT_REGISTER = 3,
    VICI_EVENT_UNREGISTER = 4,
    VICI_EVENT_CONFIRM = 5,
    VICI_EVENT_UNKNOWN = 6,
    VICI_EVENT = 7,
};
enum vici_element {
    VICI_END = 0, // of the message; never on the wire
    VICI_SECTION_START = 1,
    VICI_SECTION_END = 2,
    VICI_KEY_VALUE = 3,
    VICI_LIST_START = 4,
    VICI_LIST_ITEM = 5,
    VICI_LIST_END = 6,
};

// ---- packets ----
struct vici_head {
    enum vici_packet type;
    span_t name;     // requests, (un)registrations and events; else empty
    span_t elements; // not checked yet
};
// Reads what follows the length word. Borrows. Errors: ERR_SHORT, ERR_SYNTAX (unknown type).
err_t vici_head_read(span_t packet, struct vici_head *out);

// ---- writing: grows as needed; vici_msg_done() frees ----
struct vici_msg {
    uint8_t *at;
    size_t len, cap;
    bool bad; // out of memory, or a name, a value or the whole too long
};
void vici_section(struct vici_msg *m, const char *name);
void vici_section_end(struct vici_msg *m);
void vici_kv(struct vici_msg *m, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void vici_kv_bytes(struct vici_msg *m, const char *key, span_t value); // may hold anything
void vici_list(struct vici_msg *m, const char *name);
void vici_item(struct vici_msg *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void vici_list_end(struct vici_msg *m);
// Complete packet with its length word. name NULL: an unnamed type. ERR_SPACE, ERR_NOMEM.
err_t vici_packet_write(struct vici_msg *out, enum vici_packet type, const char *name,
                        span_t elements);
static inline span_t vici_span(const struct vici_msg *m)
{
    return span(m->at, m->len);
}
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
// The end is an item of type VICI_END. An error sticks.
// Errors: ERR_SHORT, ERR_SYNTAX (bad nesting, unknown element), ERR_LIMIT.
err_t vici_next(struct vici_reader *r, struct vici_item *out);
// Checks a whole message. After that vici_get() cannot fail on syntax.
err_t vici_check(span_t elements);
// The value of "key" at top level, or of "section.key"; the first one where there are several.
// ERR_NOTFOUND.
err_t vici_get(span_t elements, const char *path, span_t *out);
// The same as a terminated string of at most cap bytes. Errors also: ERR_SPACE, ERR_SYNTAX (a NUL
// inside).
err_t vici_get_str(span_t elements, const char *path, char *out, size_t cap);
