#include "netlink/message.h"

#include <libmnl/libmnl.h>
#include <string.h>

struct message message_start(void *buf, size_t cap, uint16_t type, struct message_id id)
{
    struct message m = {.h = buf, .cap = cap, .bad = cap < NLMSG_HDRLEN};
    if (m.bad) return m;
    (void)mnl_nlmsg_put_header(buf);
    m.h->nlmsg_type = type;
    m.h->nlmsg_flags = id.flags;
    m.h->nlmsg_seq = id.seq;
    m.h->nlmsg_pid = id.portid;
    return m;
}

void message_head(struct message *m, const void *data, size_t n)
{
    m->bad = m->bad || m->cap - m->h->nlmsg_len < NLMSG_ALIGN(n);
    if (m->bad) return;
    memcpy(mnl_nlmsg_put_extra_header(m->h, n), data, n);
}

void message_put(struct message *m, uint16_t attr, const void *data, size_t n)
{
    size_t padding = (0 - n) % 4;
    m->bad = m->bad || n > UINT16_MAX - sizeof(struct nlattr) ||
             !mnl_attr_put_check(m->h, m->cap, attr, n, data);
    if (m->bad) return;
    // libmnl 1.0.4 leaves the padding as the buffer was, and a buffer has held keys.
    memset((uint8_t *)m->h + m->h->nlmsg_len - padding, 0, padding);
}

void message_put_u8(struct message *m, uint16_t attr, uint8_t v)
{
    message_put(m, attr, &v, sizeof v);
}

void message_put_u32(struct message *m, uint16_t attr, uint32_t v)
{
    message_put(m, attr, &v, sizeof v);
}

void *message_reserve(struct message *m, uint16_t attr, size_t n)
{
    static const uint8_t zero[MESSAGE_MAX];
    m->bad = m->bad || n > sizeof zero;
    if (m->bad) return NULL;
    uint8_t *at = (uint8_t *)m->h + m->h->nlmsg_len + sizeof(struct nlattr);
    message_put(m, attr, zero, n);
    return m->bad ? NULL : at;
}

err_t message_done(const struct message *m)
{
    return m->bad ? ERR_SPACE : ERR_OK;
}
