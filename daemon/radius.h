// radius.h - the daemon's sockets to RADIUS servers (radius/client.h): questions of the diplomat go
// out, answers come back into the event loop.
#pragma once

#include "daemon/iked.h"
#include "radius/client.h"

// Opens sockets to the servers of d->strongswan, instead of those before; what was asked there has
// failed. A server that has no route yet is tried when it is asked.
void radius_settings(struct iked *d);
void radius_stop(struct iked *d);
// A question of ours (radius/client.h); also ERR_NOTFOUND: there are no servers.
err_t radius_send(struct iked *d, struct radius_query *q, struct why *why);
// No server has answered. sa: the IKE SA that it was about, which ends; 0: none does. With
// close_all_on_timeout all IKE SAs end.
void radius_silence(struct iked *d, uint32_t sa);
// For struct env.
err_t radius_work(void *ctx, struct ike_work *w);
