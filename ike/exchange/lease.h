// lease.h - a client's address from a DHCP server: asked for before IKE_AUTH is answered.
#pragma once

#include "ike/exchange/step.h"
#include "ike/sa/lease.h"

// The peer has proved who it is; its first message `asks`, maybe for an address that a DHCP server
// has. ERR_AGAIN: that is being asked, and the message under way is handled again when there is an
// answer. ERR_OK: nothing is to be waited for any more.
err_t lease_wait(struct turn *t, const struct msg *asks);
// Is the message under way one that has waited, whose sender has proved who it is?
bool lease_waited(const struct ike_sa *sa);
