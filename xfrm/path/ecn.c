#include "xfrm/path/ecn.h"

#include "xfrm/port/checksum.h"

#define DROP 4

bool ecn_decap(uint8_t inner_tos, uint8_t outer_tos, uint8_t *out)
{
    // clang-format off: rows are the inner field, columns the outer: Not-ECT, ECT(1), ECT(0), CE
    static const uint8_t result[4][4] = {
        [ECN_NOT_ECT] = {ECN_NOT_ECT, ECN_NOT_ECT, ECN_NOT_ECT, DROP},
        [ECN_ECT1] = {ECN_ECT1, ECN_ECT1, ECN_ECT1, ECN_CE},
        [ECN_ECT0] = {ECN_ECT0, ECN_ECT1, ECN_ECT0, ECN_CE},
        [ECN_CE] = {ECN_CE, ECN_CE, ECN_CE, ECN_CE},
    };
    // clang-format on
    *out = result[inner_tos & ECN_MASK][outer_tos & ECN_MASK];
    return *out != DROP;
}

void tos_write(uint8_t *ip, uint8_t tos)
{
    uint16_t old = get16(ip);
    if (ip[0] >> 4 == 6) {
        put16(ip, (uint16_t)((old & 0xf00f) | tos << 4));
        return;
    }
    uint16_t new = (uint16_t)((old & 0xff00) | tos);
    put16(ip, new);
    put16(ip + 10, checksum_after(get16(ip + 10), old, new));
}
