#include "test/unit/xfrm/gram.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"

struct gram gram_tcp(uint32_t seq, uint32_t payload)
{
    return (struct gram){.tcp = true,
                         .host = 1,
                         .port = 1000,
                         .seq = seq,
                         .ack = 77,
                         .window = 500,
                         .flags = GRAM_ACK,
                         .options = 12,
                         .ttl = 64,
                         .payload = payload,
                         .fill = (uint8_t)seq};
}

struct gram gram_udp(uint16_t id, uint32_t payload)
{
    return (struct gram){
        .host = 1, .port = 1000, .id = id, .ttl = 64, .payload = payload, .fill = (uint8_t)id};
}

// ---- sums, word by word ----

static uint32_t sum_of(const uint8_t *at, uint32_t n, uint32_t sum)
{
    for (uint32_t i = 0; i < n; i++) {
        sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static bool is_v6(const uint8_t *at)
{
    return at[0] >> 4 == 6;
}

static bool is_tcp(const uint8_t *at)
{
    return (is_v6(at) ? at[6] : at[9]) == 6;
}

static uint32_t transport_sum(const uint8_t *at, uint32_t len)
{
    uint32_t start = gram_transport(at), sum = is_tcp(at) ? 6 : 17;
    sum = is_v6(at) ? sum_of(at + 8, 32, sum) : sum_of(at + 12, 8, sum);
    return sum_of(at + start, len - start, sum + len - start);
}

uint32_t gram_transport(const uint8_t *at)
{
    return is_v6(at) ? 40 : (at[0] & 0xfU) * 4;
}

uint32_t gram_head(const uint8_t *at)
{
    uint32_t start = gram_transport(at);
    return start + (is_tcp(at) ? (at[start + 12] >> 4) * 4U : 8);
}

void gram_seal(uint8_t *at, uint32_t len)
{
    uint8_t *field = at + gram_transport(at) + (is_tcp(at) ? 16 : 6);
    put16(field, 0);
    uint16_t sum = (uint16_t)~transport_sum(at, len);
    put16(field, sum ? sum : 0xffff);
    if (is_v6(at)) return;
    put16(at + 10, 0);
    put16(at + 10, (uint16_t)~sum_of(at, gram_transport(at), 0));
}

bool gram_sound(const uint8_t *at, uint32_t len)
{
    uint32_t start = gram_transport(at);
    uint32_t named = is_v6(at) ? get16(at + 4) + 40U : get16(at + 2);
    if (named != len || transport_sum(at, len) != 0xffff) return false;
    if (!is_tcp(at) && get16(at + start + 4) != len - start) return false;
    return is_v6(at) || sum_of(at, start, 0) == 0xffff;
}

// ---- packets ----

static uint32_t write_ip(const struct gram *g, uint8_t *at, uint32_t inner)
{
    uint8_t proto = g->tcp ? 6 : 17;
    if (g->v6) {
        memset(at, 0, 40);
        put32(at, 0x60000000U | (uint32_t)g->tos << 20 | 0x12345);
        put16(at + 4, (uint16_t)inner);
        at[6] = proto;
        at[7] = g->ttl;
        at[8] = at[24] = 0xfd;
        at[23] = g->host;
        at[39] = 2;
        return 40;
    }
    memset(at, 0, 20);
    at[0] = 0x45;
    at[1] = g->tos;
    put16(at + 2, (uint16_t)(inner + 20));
    put16(at + 4, g->id);
    if (!g->no_df) at[6] = 0x40;
    at[8] = g->ttl;
    at[9] = proto;
    at[12] = at[16] = 10;
    at[15] = g->host;
    at[19] = 2;
    return 20;
}

static uint32_t write_transport(const struct gram *g, uint8_t *at)
{
    uint32_t head = g->tcp ? 20U + g->options : 8;
    memset(at, 1, head); // options: no operation
    put16(at, g->port);
    put16(at + 2, 80);
    if (!g->tcp) {
        put16(at + 4, (uint16_t)(head + g->payload));
        return head;
    }
    put32(at + 4, g->seq);
    put32(at + 8, g->ack);
    at[12] = (uint8_t)(head / 4 << 4);
    at[13] = g->flags;
    put16(at + 14, g->window);
    put16(at + 18, 0);
    return head;
}

uint32_t gram_write(const struct gram *g, uint8_t *at)
{
    uint32_t ip = g->v6 ? 40 : 20;
    uint32_t head = ip + write_transport(g, at + ip);
    uint32_t len = head + g->payload;
    (void)write_ip(g, at, len - ip);
    for (uint32_t i = 0; i < g->payload; i++) at[head + i] = (uint8_t)(g->fill + i);
    gram_seal(at, len);
    return len;
}

struct pkt *gram_pkt(const uint8_t *at, uint32_t len)
{
    struct pkt *p = calloc(1, sizeof *p);
    CHECK(p != NULL);
    p->room = malloc(len ? len : 1);
    CHECK(p->room != NULL);
    memcpy(p->room, at, len);
    p->at = p->room;
    p->len = p->size = len;
    return p;
}

void gram_pkt_free(struct pkt *p)
{
    free(p->room);
    free(p);
}

uint32_t gram_random(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*state >> 33);
}
