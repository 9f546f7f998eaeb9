// access.h - what a gateway says of itself and of a client in every request to a RADIUS server.
#pragma once

#include "base/addr.h"
#include "radius/packet.h"

struct radius_station {
    span_t user; // User-Name
    endpoint_t local, remote;
    bool with_port;   // in Called-Station-Id and Calling-Station-Id
    uint32_t port;    // NAS-Port: the IKE SA's number
    const char *name; // NAS-Port-Id: the connection's
};
void radius_put_station(wr_t *w, const struct radius_station *s);
