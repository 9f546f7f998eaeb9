// Frames are read as a stack would read them, whatever stands in them, and what is written comes
// out again.
#include "xfrm/port/ether.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "test/unit/xfrm/gram.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/port/checksum.h"

#define PORT 4500
#define FRAME 2048
#define ESP_BYTES 100
#define ROUNDS 20000

static const uint8_t ether[2][ETHER_HEAD] = {
    {2, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0x08, 0x00},
    {2, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0x86, 0xdd},
};

static ip_t address(bool v6, uint8_t last)
{
    uint8_t b[16] = {v6 ? 0xfd : 10, 1};
    b[v6 ? 15 : 3] = last;
    return ip_from(v6 ? AF_INET6 : AF_INET, b);
}

// ESP at the end of the room, as it leaves the path.
static struct pkt esp_of(uint8_t *room, bool v6, bool udp)
{
    struct pkt p = {.at = room + FRAME - ESP_BYTES,
                    .len = ESP_BYTES,
                    .room = room,
                    .size = FRAME,
                    .from = {address(v6, 1), udp ? 5500 : 0}, // an SA may name any
                    .to = {address(v6, 2), udp ? 4501 : 0},
                    .outer_tos = 0xb8,
                    .outer_ttl = 33,
                    .outer_df = true,
                    .outer_id = 77,
                    .udp = udp,
                    .proto = IPPROTO_ESP};
    for (uint32_t i = 0; i < ESP_BYTES; i++) p.at[i] = (uint8_t)(i + 1);
    return p;
}

// In a buffer of exactly its size.
static struct pkt frame_of(uint8_t *copy, const uint8_t *at, uint32_t len)
{
    memcpy(copy, at, len);
    return (struct pkt){.at = copy, .len = len, .room = copy, .size = len};
}

static void check_there_and_back(bool v6, bool udp)
{
    uint8_t room[FRAME];
    struct pkt out = esp_of(room, v6, udp);
    uint32_t head = ether_write_outer(out.at, &out, ether[v6]);
    CHECK_EQ(head + out.len, ETHER_HEAD + ether_outer_len(&out));
    uint8_t *copy = malloc(head + out.len);
    CHECK(copy != NULL);
    struct pkt in = frame_of(copy, out.at - head, head + out.len);
    if (udp) CHECK(gram_sound(copy + ETHER_HEAD, in.len - ETHER_HEAD));
    // the far end has the other port
    CHECK(ether_read_outer(&in, udp ? 4501 : PORT));
    CHECK_EQ(in.len, ESP_BYTES);
    CHECK(memcmp(in.at, out.at, ESP_BYTES) == 0);
    CHECK(endpoint_eq(&in.from, &out.from));
    CHECK(endpoint_eq(&in.to, &out.to));
    CHECK_EQ(in.udp, udp);
    CHECK_EQ(in.outer_tos, 0xb8);
    CHECK_EQ(in.outer_ttl, 33);
    if (!udp) CHECK_EQ(in.proto, IPPROTO_ESP);
    free(copy);
}

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) check_there_and_back(i & 1, i & 2);
}

static void padding_of_ethernet_is_left_out(void **state)
{
    (void)state;
    uint8_t room[FRAME], copy[FRAME];
    struct pkt out = esp_of(room, false, false);
    out.at -= 50; // bytes behind it are noise
    memmove(out.at, out.at + 50, ESP_BYTES);
    uint32_t head = ether_write_outer(out.at, &out, ether[0]);
    struct pkt in = frame_of(copy, out.at - head, head + out.len + 50);
    CHECK(ether_read_outer(&in, PORT));
    CHECK_EQ(in.len, ESP_BYTES);
}

static void ike_keepalives_pieces_and_damage_are_none_of_ours(void **state)
{
    (void)state;
    uint8_t room[FRAME], copy[FRAME];
    struct pkt out = esp_of(room, false, true);
    out.to.port = PORT;
    uint32_t head = ether_write_outer(out.at, &out, ether[0]), len = head + out.len;
    struct pkt good = frame_of(copy, out.at - head, len);
    CHECK(ether_read_outer(&good, PORT));

    struct pkt ike = frame_of(copy, out.at - head, len);
    memset(copy + head, 0, 4); // rfc3948 2.2: the non-ESP marker
    CHECK(!ether_read_outer(&ike, PORT));

    struct pkt other = frame_of(copy, out.at - head, len);
    CHECK(!ether_read_outer(&other, PORT + 1));

    struct pkt piece = frame_of(copy, out.at - head, len);
    put16(copy + ETHER_HEAD + 6, 0x2000);
    put16(copy + ETHER_HEAD + 10, checksum_after(get16(copy + ETHER_HEAD + 10), 0x4000, 0x2000));
    CHECK(!ether_read_outer(&piece, PORT));

    struct pkt damaged = frame_of(copy, out.at - head, len);
    copy[ETHER_HEAD + 12] ^= 1;
    CHECK(!ether_read_outer(&damaged, PORT));
}

// No byte outside the frame is looked at: it lies in a buffer of exactly its size.
static void frames_of_any_bytes_and_length_do_no_harm(void **state)
{
    (void)state;
    uint64_t seed = 5;
    uint8_t room[FRAME];
    for (unsigned round = 0; round < ROUNDS; round++) {
        const bool v6 = gram_random(&seed) & 1, udp = gram_random(&seed) & 1;
        struct pkt out = esp_of(room, v6, udp);
        uint32_t head = ether_write_outer(out.at, &out, ether[v6]);
        uint32_t len = gram_random(&seed) % (head + out.len) + 1;
        uint8_t *copy = malloc(len);
        CHECK(copy != NULL);
        struct pkt p = frame_of(copy, out.at - head, len);
        for (unsigned i = 0; i < 3; i++)
            copy[gram_random(&seed) % len] ^= (uint8_t)(1U << gram_random(&seed) % 8);
        bool inner = gram_random(&seed) & 1;
        if (inner ? ether_read_inner(&p) : ether_read_outer(&p, PORT)) {
            CHECK(p.at >= copy);
            CHECK(p.at + p.len <= copy + len);
        }
        free(copy);
    }
}

// ---- the inner side ----

static uint32_t inner_frame(uint8_t *at, const struct gram *g)
{
    memcpy(at, ether[g->v6], ETHER_HEAD);
    return ETHER_HEAD + gram_write(g, at + ETHER_HEAD);
}

// As a virtual cable leaves it: the sum of the pseudo-header where the checksum goes.
static void undo_checksum(uint8_t *packet, uint32_t len, bool tcp)
{
    const bool v6 = packet[0] >> 4 == 6;
    const uint32_t at = gram_transport(packet);
    uint32_t sum = (tcp ? 6U : 17U) + len - at;
    for (uint32_t i = 0; i < (v6 ? 32U : 8U); i += 2) sum += get16(packet + (v6 ? 8 : 12) + i);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    put16(packet + at + (tcp ? 16 : 6), (uint16_t)sum);
}

static void a_packet_is_forwarded_sound(void **state)
{
    (void)state;
    uint8_t at[FRAME];
    for (int i = 0; i < 8; i++) {
        struct gram g = i & 1 ? gram_tcp(1000, 333) : gram_udp(7, 333);
        g.v6 = i & 2;
        g.ttl = 64;
        uint32_t len = inner_frame(at, &g);
        if (i & 4) undo_checksum(at + ETHER_HEAD, len - ETHER_HEAD, g.tcp);
        CHECK_EQ(gram_sound(at + ETHER_HEAD, len - ETHER_HEAD), !(i & 4));
        struct pkt p = {.at = at, .len = len, .room = at, .size = FRAME};
        CHECK(ether_read_inner(&p));
        CHECK_EQ(p.len, len - ETHER_HEAD);
        CHECK(gram_sound(p.at, p.len));
        CHECK_EQ(g.v6 ? p.at[7] : p.at[8], 63);
    }
}

static void a_wrong_checksum_stays_wrong(void **state)
{
    (void)state;
    uint8_t at[FRAME];
    struct gram g = gram_udp(7, 333);
    g.ttl = 64;
    uint32_t len = inner_frame(at, &g);
    at[len - 1] ^= 1;
    struct pkt p = {.at = at, .len = len, .room = at, .size = FRAME};
    CHECK(ether_read_inner(&p));
    CHECK(!gram_sound(p.at, p.len));
}

static void the_last_hop_is_the_hosts_to_tell_of(void **state)
{
    (void)state;
    uint8_t at[FRAME];
    for (int v6 = 0; v6 < 2; v6++) {
        struct gram g = gram_udp(7, 20);
        g.v6 = v6;
        g.ttl = 1;
        struct pkt p = {.at = at, .len = inner_frame(at, &g), .room = at, .size = FRAME};
        CHECK(!ether_read_inner(&p));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(padding_of_ethernet_is_left_out),
        cmocka_unit_test(ike_keepalives_pieces_and_damage_are_none_of_ours),
        cmocka_unit_test(frames_of_any_bytes_and_length_do_no_harm),
        cmocka_unit_test(a_packet_is_forwarded_sound),
        cmocka_unit_test(a_wrong_checksum_stays_wrong),
        cmocka_unit_test(the_last_hop_is_the_hosts_to_tell_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
