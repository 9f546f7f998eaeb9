#include "ike/exchange/terms_mode.h"

#include <stdio.h>

#include "base/words.h"
#include "ike/exchange/message.h"
#include "ike/sa/diplomat.h"

// rfc9347 6.1.4: what the sender of USE_AGGFRAG demands; the other bits are reserved.
#define AGGFRAG_DONT_FRAGMENT 0x01
#define AGGFRAG_CONGESTION 0x02 // to be told of losses, which no executor here can do

void terms_mode_put(struct msgw *m, enum xfrm_mode mode, bool whole)
{
    const uint8_t flags = whole ? AGGFRAG_DONT_FRAGMENT : 0;
    if (mode == XFRM_TRANSPORT) put_notify(m, N_USE_TRANSPORT_MODE, span(NULL, 0));
    if (mode == XFRM_BEET) put_notify(m, N_USE_BEET_MODE, span(NULL, 0));
    if (mode == XFRM_IPTFS) put_notify(m, N_USE_AGGFRAG, span(&flags, 1));
    // Without a header that says how long the packet is, nobody can take padding off.
    if (mode == XFRM_TRANSPORT || mode == XFRM_BEET)
        put_notify(m, N_ESP_TFC_PADDING_NOT_SUPPORTED, span(NULL, 0));
}

struct terms_mode terms_mode_take(const struct msg *in)
{
    struct terms_mode m = {.mode = XFRM_TUNNEL};
    struct notify n;
    // rfc9347 5.1: USE_AGGFRAG never comes with one of these; who sends both gets the other.
    if (notify_find(in, N_USE_TRANSPORT_MODE, &n) == ERR_OK) m.mode = XFRM_TRANSPORT;
    if (m.mode == XFRM_TUNNEL && notify_find(in, N_USE_BEET_MODE, &n) == ERR_OK) m.mode = XFRM_BEET;
    if (m.mode != XFRM_TUNNEL || notify_find(in, N_USE_AGGFRAG, &n) != ERR_OK) return m;
    m.len = (uint16_t)n.data.len;
    m.flags = m.len ? n.data.at[0] : 0;
    // rfc9347 5.1 SHOULD NOT: where a requirement is not understood, or cannot be met
    m.unmet = m.len != 1 || (m.flags & ~AGGFRAG_DONT_FRAGMENT);
    if (!m.unmet) m.mode = XFRM_IPTFS;
    m.whole = !m.unmet && (m.flags & AGGFRAG_DONT_FRAGMENT);
    return m;
}

const char *terms_mode_show(const struct terms_mode *m, char buf[TERMS_MODE_TEXT_MAX])
{
    if (m->len == 1) {
        (void)snprintf(buf, TERMS_MODE_TEXT_MAX, SAY_AGGFRAG_FLAGS, m->flags);
        return buf;
    }
    (void)snprintf(
        buf, TERMS_MODE_TEXT_MAX,
        "not using IP-TFS mode, peer sent %u bytes in USE_AGGFRAG notify, and not the one "
        "of RFC 9347",
        m->len);
    return buf;
}

void terms_mode_tell(const struct child_sa *c)
{
    struct ike *ike = c->sa->ike;
    // Where the executor is the reason, it was told with the configuration.
    if (c->conf->mode != CONF_IPTFS || c->mode == XFRM_IPTFS || !ike->opt.executor_has_iptfs)
        return;
    tell(ike, c->sa, LOG_STORY, "%s goes in tunnel mode: the peer does not use IP-TFS (RFC 9347)",
         c->conf->name);
}
