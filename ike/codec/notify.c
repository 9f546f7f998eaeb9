#include <stdio.h>

#include "ike/codec/msg.h"
#include "ike/codec/payloads.h"

err_t notify_read(span_t body, struct notify *out)
{
    rd_t r = rd_from(body);
    struct notify n = {.protocol = rd_u8(&r), .spi_len = rd_u8(&r)};
    n.type = rd_u16(&r);
    if (n.spi_len == 4) n.spi = rd_u32(&r);
    if (n.spi_len == 8) n.spi = rd_u64(&r);
    n.data = rd_rest(&r);
    TRY(rd_done(&r));
    if (n.spi_len != 0 && n.spi_len != 4 && n.spi_len != 8) return ERR_SYNTAX;
    *out = n;
    return ERR_OK;
}

void notify_write(wr_t *w, const struct notify *n)
{
    wr_u8(w, n->protocol);
    wr_u8(w, n->spi_len);
    wr_u16(w, n->type);
    if (n->spi_len == 4) wr_u32(w, (uint32_t)n->spi);
    if (n->spi_len == 8) wr_u64(w, n->spi);
    wr_bytes(w, n->data);
}

const char *notify_name(uint16_t type, char buf[40])
{
    static const struct {
        uint16_t type;
        const char *name;
    } names[] = {
#define X(name, number) {number, #name},
        NOTIFY_LIST(X)
#undef X
    };
    const char *name = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].type == type) name = names[i].name;
    }
    (void)(name ? snprintf(buf, 40, "%s", name) : snprintf(buf, 40, "notify %u", type));
    return buf;
}

err_t notify_find(const struct msg *m, uint16_t type, struct notify *out)
{
    for (unsigned i = 0; i < m->n; i++) {
        struct notify n;
        if (m->payload[i].type != PAYLOAD_N) continue;
        if (notify_read(m->payload[i].body, &n) != ERR_OK || n.type != type) continue;
        *out = n;
        return ERR_OK;
    }
    return ERR_NOTFOUND;
}

err_t notify_find_error(const struct msg *m, struct notify *out)
{
    for (unsigned i = 0; i < m->n; i++) {
        struct notify n;
        if (m->payload[i].type != PAYLOAD_N) continue;
        if (notify_read(m->payload[i].body, &n) != ERR_OK) continue;
        if (n.type >= NOTIFY_STATUS_FIRST) continue;
        *out = n;
        return ERR_OK;
    }
    return ERR_NOTFOUND;
}
