// The sixteen combinations of RFC 6040 figure 4, and the checksum after a change.
#include "test/check.h"

#include <string.h>

#include "base/order.h"
#include "xfrm/path/ecn.h"

static void all_sixteen_combinations(void **state)
{
    (void)state;
    // As the figure has them: columns Not-ECT, ECT(0), ECT(1), CE; 9 = drop.
    static const uint8_t columns[4] = {0, 2, 1, 3};
    static const struct {
        uint8_t inner, out[4];
    } rows[4] = {
        {0, {0, 0, 0, 9}},
        {2, {2, 2, 1, 3}},
        {1, {1, 1, 1, 3}},
        {3, {3, 3, 3, 3}},
    };
    for (unsigned r = 0; r < 4; r++) {
        for (unsigned c = 0; c < 4; c++) {
            uint8_t got = 8;
            bool ok = ecn_decap(0xfc | rows[r].inner, columns[c], &got);
            CHECK_EQ(ok, rows[r].out[c] != 9);
            if (ok) CHECK_EQ(got, rows[r].out[c]);
        }
    }
}

static uint32_t sum(const uint8_t *at)
{
    uint32_t s = 0;
    for (unsigned i = 0; i < 20; i += 2) s += get16(at + i);
    while (s >> 16) s = (s & 0xffff) + (s >> 16);
    return s;
}

static void the_ipv4_checksum_stays_right(void **state)
{
    (void)state;
    uint8_t ip[20] = {0x45, 0, 0, 40, 1, 2, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};
    for (uint32_t id = 0; id < 0x10000; id++) { // every checksum there is
        put16(ip + 4, (uint16_t)id);
        put16(ip + 10, 0);
        put16(ip + 10, (uint16_t)~sum(ip));
        tos_write(ip, (uint8_t)(id * 7));
        CHECK_EQ(ip[1], id * 7 % 256);
        CHECK_EQ(sum(ip), 0xffff);
    }
}

static void ipv6_keeps_its_flow_label(void **state)
{
    (void)state;
    uint8_t ip[40] = {0x60, 0x0a, 0xbc, 0xde};
    tos_write(ip, 0xb9);
    CHECK_EQ(get32(ip), 0x6b9abcde);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sixteen_combinations),
        cmocka_unit_test(the_ipv4_checksum_stays_right),
        cmocka_unit_test(ipv6_keeps_its_flow_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
