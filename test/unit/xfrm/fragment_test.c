// Packets that are cut into fragments are whole again when these are laid side by side.
#include "test/unit/xfrm/rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/port/fragment.h"

#define PACKET_MAX 9000

// Cuts, checks each piece, and returns how many there were.
static unsigned cut(const uint8_t *packet, uint32_t len, uint32_t mtu, uint32_t head)
{
    struct fragment f;
    uint8_t h[FRAGMENT_HEAD_MAX];
    struct piece piece;
    unsigned n = 0;
    uint32_t at = head;
    bool v6 = ip_is_v6(packet);
    CHECK(fragment_begin(&f, packet, len, mtu, 0xabcd1234));
    while (f.more) {
        fragment_next(&f, h, &piece);
        CHECK_EQ(piece.at, at);
        CHECK(piece.head_len + piece.len <= mtu);
        uint32_t offset = v6 ? get16(h + head + 2) & 0xfff8U : (get16(h + 6) & 0x1fffU) * 8;
        bool more = v6 ? h[head + 3] & 1 : get16(h + 6) & 0x2000;
        CHECK_EQ(offset, at - head);
        CHECK_EQ(more, f.more);
        CHECK_EQ(v6 ? get16(h + 4) + 40U : get16(h + 2), piece.head_len + piece.len);
        if (v6) CHECK_EQ(get32(h + head + 4), 0xabcd1234);
        if (!v6) CHECK_EQ(get16(h + 4), get16(packet + 4));
        at += piece.len;
        n++;
    }
    CHECK_EQ(at, len);
    return n;
}

static void every_length_and_every_way(void **state)
{
    (void)state;
    uint8_t *packet = calloc(1, PACKET_MAX);
    for (uint32_t payload = 9; payload < 3000; payload += 37) {
        for (uint32_t mtu = 68; mtu < 1500; mtu += 91) {
            uint32_t len = rig_udp(packet, "10.1.0.1", "10.2.0.1", 1, 2, payload);
            CHECK(cut(packet, len, mtu, 20) >= (len - 20) / mtu);
            len = rig_udp(packet, "fd00::1", "fd00::2", 1, 2, payload);
            CHECK(cut(packet, len, mtu, 40) >= (len - 40) / mtu);
        }
    }
    free(packet);
}

static void what_may_not_be_cut_is_not(void **state)
{
    (void)state;
    struct fragment f;
    uint8_t packet[PACKET_MAX];
    uint32_t len = rig_udp(packet, "10.1.0.1", "10.2.0.1", 1, 2, 2000);
    packet[6] = 0x40;
    CHECK(!fragment_begin(&f, packet, len, 1000, 1));
    packet[6] = 0;
    CHECK(!fragment_begin(&f, packet, len, 27, 1)); // not even eight bytes
    CHECK(fragment_begin(&f, packet, len, 28, 1));
    len = rig_udp(packet, "fd00::1", "fd00::2", 1, 2, 2000);
    packet[6] = 44; // a fragment already
    packet[43] = 1;
    CHECK(!fragment_begin(&f, packet, len, 1280, 1));
}

static void options_stand_where_they_belong(void **state)
{
    (void)state;
    struct fragment f;
    struct piece piece;
    uint8_t packet[PACKET_MAX], head[FRAGMENT_HEAD_MAX];
    (void)rig_udp(packet, "10.1.0.1", "10.2.0.1", 1, 2, 2000);
    packet[0] = 0x47;
    static const uint8_t options[8] = {7, 3, 4, 148, 4, 0, 0, 0}; // record route; router alert
    memcpy(packet + 20, options, 8);
    CHECK(fragment_begin(&f, packet, 2028, 600, 1));
    fragment_next(&f, head, &piece);
    CHECK(memcmp(head + 20, options, 8) == 0);
    fragment_next(&f, head, &piece);
    static const uint8_t later[8] = {1, 1, 1, 148, 4, 0, 0, 0};
    CHECK(memcmp(head + 20, later, 8) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_and_every_way),
        cmocka_unit_test(what_may_not_be_cut_is_not),
        cmocka_unit_test(options_stand_where_they_belong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
