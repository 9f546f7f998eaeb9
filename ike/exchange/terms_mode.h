// terms_mode.h - the mode of a child SA, as Notifies say it (RFC 7296 1.3.1; BEET as strongSwan has
// it; IP-TFS by RFC 9347 5.1). Tunnel mode needs none.
#pragma once

#include "ike/codec/msg.h"
#include "ike/sa/child_sa.h"

// The others come with ESP_TFC_PADDING_NOT_SUPPORTED, but for IP-TFS, which may yet become a
// tunnel. whole: we take no packet of IP-TFS in pieces.
void terms_mode_put(struct msgw *m, enum xfrm_mode mode, bool whole);

struct terms_mode {
    enum xfrm_mode mode; // tunnel if nothing else is said, or not in a way that can be met
    bool whole;          // IP-TFS: the peer takes no packet in pieces
    // IP-TFS is asked for with these requirements, which cannot be met; no length: in other words
    // than RFC 9347 has.
    bool unmet;
    uint8_t flags;
    uint16_t len; // bytes of the Notify's data; right is 1
};
struct terms_mode terms_mode_take(const struct msg *in);
// Why that IP-TFS cannot be. Returns buf.
#define TERMS_MODE_TEXT_MAX 128
const char *terms_mode_show(const struct terms_mode *m, char buf[TERMS_MODE_TEXT_MAX]);
// The child asked for IP-TFS and has none, by either side's wish: says so.
void terms_mode_tell(const struct child_sa *c);
