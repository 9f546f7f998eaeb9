// Packets of ARP from a neighbour.
#include <string.h>

#include "daemon/arp_msg.h"
#include "test/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    static const uint8_t mac[ARP_MAC_LEN] = {2, 0, 0, 0, 0, 1};
    struct arp_request r, again;
    uint8_t answer[ARP_LEN];
    if (arp_read(span(in, n), &r) != ERR_OK) return 0;
    MUST(n >= ARP_LEN && !(r.mac[0] & 1) && !ip_eq(&r.sender, &r.target));
    arp_answer(&r, mac, answer);
    MUST(memcmp(answer + 18, in + 8, 10) == 0 && memcmp(answer + 14, in + 24, 4) == 0);
    MUST(arp_read(SPAN(answer), &again) == ERR_SYNTAX); // an answer is not answered
    return 0;
}
