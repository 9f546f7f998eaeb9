#include "see/pcapng.h"

#include <string.h>

#include "base/order.h"

#define BLOCK_SECTION 0x0a0d0d0aU
#define BLOCK_INTERFACE 1U
#define BLOCK_PACKET 6U
#define MAGIC 0x1a2b3c4dU
#define LINKTYPE_RAW 101 // IPv4 or IPv6, by the version in their first byte
#define OPT_END 0
#define OPT_COMMENT 1
#define OPT_NAME 2        // of an interface
#define OPT_DESCRIPTION 3 // of an interface
#define OPT_PROGRAM 4     // of a section: shb_userappl
#define OPT_RESOLUTION 9  // of an interface: time in units of 10^-n s
#define OPT_FLAGS 2       // of a packet

static void pad(wr_t *w, size_t len)
{
    wr_zero(w, (4 - len % 4) % 4);
}

static void option(wr_t *w, uint16_t code, span_t value)
{
    wr_u16(w, code);
    wr_u16(w, (uint16_t)value.len);
    wr_bytes(w, value);
    pad(w, value.len);
}

static void option_text(wr_t *w, uint16_t code, const char *text)
{
    const size_t len = strnlen(text, PCAPNG_COMMENT_MAX);
    option(w, code, span(text, len));
}

// Its length stands at both ends; it is known when all between them is written.
static uint8_t *block_begin(wr_t *w, uint32_t type)
{
    wr_u32(w, type);
    return wr_reserve(w, 4);
}

static void block_end(wr_t *w, uint8_t *length)
{
    wr_u32(w, OPT_END); // with its length, 0
    if (!length) return;
    const uint32_t len = (uint32_t)(w->at - length) + 4 + 4;
    wr_u32(w, len);
    put32(length, len);
}

void pcapng_begin(wr_t *w, const char *program)
{
    uint8_t *length = block_begin(w, BLOCK_SECTION);
    wr_u32(w, MAGIC); // says that our integers are big-endian
    wr_u16(w, 1);
    wr_u16(w, 0);
    wr_u64(w, UINT64_MAX); // how long the section is: not known
    option_text(w, OPT_PROGRAM, program);
    block_end(w, length);
}

void pcapng_interface(wr_t *w, const char *name, const char *about)
{
    static const uint8_t nanoseconds[] = {9};
    uint8_t *length = block_begin(w, BLOCK_INTERFACE);
    wr_u16(w, LINKTYPE_RAW);
    wr_u16(w, 0);
    wr_u32(w, 0); // packets have no longest length
    option_text(w, OPT_NAME, name);
    option_text(w, OPT_DESCRIPTION, about);
    option(w, OPT_RESOLUTION, SPAN(nanoseconds));
    block_end(w, length);
}

void pcapng_packet(wr_t *w, const struct pcapng_packet *p)
{
    uint8_t flags[4];
    uint8_t *length = block_begin(w, BLOCK_PACKET);
    wr_u32(w, p->interface);
    wr_u64(w, p->time);
    wr_u32(w, (uint32_t)p->bytes.len);
    wr_u32(w, p->wire_len);
    wr_bytes(w, p->bytes);
    pad(w, p->bytes.len);
    put32(flags, (uint32_t)p->way);
    option(w, OPT_FLAGS, SPAN(flags));
    if (p->comment) option_text(w, OPT_COMMENT, p->comment);
    block_end(w, length);
}
