// Requests of ARP and our answers, byte for byte.
#include "daemon/arp_msg.h"

#include <string.h>

#include "test/check.h"

static const uint8_t request[] = {0,    1,    8, 0, 6, 4, 0,  1,        //
                                  0x52, 0x54, 0, 1, 2, 3, 10, 1, 0, 10, //
                                  0,    0,    0, 0, 0, 0, 10, 1, 0, 50};

static void request_is_answered(void **state)
{
    (void)state;
    static const uint8_t mac[] = {0x52, 0x54, 0, 0x43, 0xe3, 0x35};
    static const uint8_t wanted[] = {0,    1,    8, 0,    6,    4,    0,  2,        //
                                     0x52, 0x54, 0, 0x43, 0xe3, 0x35, 10, 1, 0, 50, //
                                     0x52, 0x54, 0, 1,    2,    3,    10, 1, 0, 10};
    struct arp_request r;
    uint8_t padded[60] = {0}, answer[ARP_LEN];
    memcpy(padded, request, sizeof request);
    CHECK_OK(arp_read(SPAN(padded), &r));
    arp_answer(&r, mac, answer);
    assert_memory_equal(answer, wanted, sizeof wanted);
}

static void probe_is_a_request(void **state)
{
    (void)state;
    struct arp_request r;
    uint8_t probe[sizeof request];
    memcpy(probe, request, sizeof probe);
    memset(probe + 14, 0, 4);
    CHECK_OK(arp_read(SPAN(probe), &r));
    CHECK(ip_is_any(&r.sender));
}

static void what_wants_no_answer(void **state)
{
    (void)state;
    static const struct {
        unsigned at;
        uint8_t value;
    } wrong[] = {{1, 6}, {2, 0x86}, {4, 8}, {5, 16}, {7, 2}, {7, 3}, {8, 0x53}, {17, 50}};
    struct arp_request r;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t copy[sizeof request];
        memcpy(copy, request, sizeof copy);
        copy[wrong[i].at] = wrong[i].value;
        CHECK_EQ(arp_read(SPAN(copy), &r), ERR_SYNTAX);
    }
    for (size_t n = 0; n < sizeof request; n++) {
        CHECK_EQ(arp_read(span(request, n), &r), ERR_SHORT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_is_answered),
        cmocka_unit_test(probe_is_a_request),
        cmocka_unit_test(what_wants_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
