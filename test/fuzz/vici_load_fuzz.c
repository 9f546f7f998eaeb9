// What a VICI client loads: any tree of sections, lists and bytes either becomes a configuration or
// is refused with a sentence; joined with others, and taken out again, nothing of it is left.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "conf/build.h"
#include "conf/parts.h"
#include "vici/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

static void feed(struct build *b, span_t elements)
{
    struct vici_reader r = vici_reader_from(elements);
    struct vici_item i = {.type = VICI_LIST_START};
    span_t list = {0};
    while (vici_next(&r, &i) == ERR_OK && i.type != VICI_END) {
        if (i.type == VICI_SECTION_START) build_open(b, i.name);
        if (i.type == VICI_SECTION_END) build_close(b);
        if (i.type == VICI_LIST_START) list = i.name;
        if (i.type == VICI_LIST_ITEM) build_set(b, list, i.value);
        if (i.type == VICI_KEY_VALUE) build_set(b, i.name, i.value);
    }
}

static void join(struct config *c)
{
    struct config *whole = NULL;
    struct parts *p = parts_new();
    unsigned conns = c->conn_n, pools = c->pool_n;
    if (!p || parts_add(p, c) != ERR_OK || parts_join(p, &whole) != ERR_OK) __builtin_trap();
    if (whole->conn_n != conns || whole->pool_n != pools) __builtin_trap();
    for (unsigned i = 0; i < conns; i++) {
        if (!parts_drop(p, PARTS_CONN, whole->conn[i].name)) __builtin_trap();
    }
    parts_clear_creds(p);
    config_free(whole);
    parts_free(p);
}

// The first byte says where the rest belongs.
int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    static const char *const sections[] = {"connections", "secrets", "pools", "authorities"};
    struct conf_issues issues = {0};
    struct config *c = NULL;
    char text[600];
    if (n == 0 || vici_check(span(in + 1, n - 1)) != ERR_OK) return 0;
    struct build *b = build_new();
    if (!b) return 0;
    build_open(b, span_str(sections[in[0] % 4]));
    feed(b, span(in + 1, n - 1));
    build_close(b);
    err_t err = build_finish(b, &c, &issues);
    if ((err == ERR_OK) != (c != NULL)) __builtin_trap();
    build_show(&issues, text, sizeof text);
    if (!*text) __builtin_trap();
    conf_issues_done(&issues);
    if (c) join(c);
    return 0;
}
