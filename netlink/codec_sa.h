// codec_sa.h - inside the codec: the attributes of an SA, and what the kernel demands of them.
#pragma once

#include "netlink/codec.h"

// All attributes of an SA in the kernel's order (copy_to_user_state_extra).
void codec_sa_attrs_write(struct message *m, const struct xfrm_sa *sa);
// Fills the fields that attributes carry; sa->family, flags and replay.window are set already.
err_t codec_sa_attrs_read(const struct attrs *a, struct xfrm_sa *sa, struct why *why);
// XFRMA_REPLAY_ESN_VAL or XFRMA_REPLAY_VAL.
void codec_replay_legacy_read(const struct attrs *a, struct xfrm_replay *out);
void codec_replay_write(struct message *m, const struct xfrm_sa *sa);
err_t codec_replay_read(const struct attrs *a, struct xfrm_sa *sa, struct why *why);
// Would the kernel take these attributes for this SA? legacy_window: the one in the fixed part.
err_t codec_sa_check(const struct attrs *a, const struct xfrm_sa *sa, uint8_t legacy_window,
                     struct why *why);
