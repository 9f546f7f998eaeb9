#include "ike/exchange/terms_comp.h"

#include "base/order.h"
#include "ike/exchange/message.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/install.h"

#define DEFLATE 2 // IANA "IKEv2 Notification IPCOMP Transform IDs"
#define CPI_FIRST 0x100
#define CPI_LAST 0xefff // rfc3173 3.3: others stand for fixed algorithms, or for private ones

uint16_t terms_comp_cpi(struct ike_sa *sa, const struct conf_child *f, uint32_t reqid)
{
    struct why why = {0};
    uint32_t cpi = 0;
    if (!f->ipcomp) return 0;
    if (install_spi(sa, reqid, XFRM_PROTO_COMP, XFRM_TUNNEL, &cpi, &why) == ERR_OK)
        return (uint16_t)cpi;
    tell(sa->ike, sa, LOG_WARN, "%s goes uncompressed, the executor has no IPComp for it: %s",
         f->name, why.text);
    return 0;
}

void terms_comp_put(struct msgw *m, uint16_t cpi)
{
    uint8_t data[3] = {0, 0, DEFLATE};
    if (!cpi) return;
    put16(data, cpi);
    put_notify(m, N_IPCOMP_SUPPORTED, span(data, sizeof data));
}

uint16_t terms_comp_take(const struct msg *in)
{
    const struct payload *p;
    for (unsigned i = 0; (p = msg_nth(in, PAYLOAD_N, i)); i++) {
        struct notify n;
        if (notify_read(p->body, &n) != ERR_OK || n.type != N_IPCOMP_SUPPORTED) continue;
        if (n.data.len < 3 || n.data.at[2] != DEFLATE) continue;
        uint16_t cpi = get16(n.data.at);
        if (cpi >= CPI_FIRST && cpi <= CPI_LAST) return cpi;
    }
    return 0;
}
