#include "radius/access.h"

#include <stdio.h>
#include <string.h>

#define SERVICE_FRAMED 2
#define PORT_VIRTUAL 5

static void put_where(wr_t *w, uint8_t type, const endpoint_t *e, bool with_port)
{
    char text[ENDPOINT_TEXT_MAX + 2], ip[IP_TEXT_MAX];
    (void)snprintf(text, sizeof text, "%s", ip_show(&e->ip, ip));
    if (with_port) (void)snprintf(text, sizeof text, "%s[%u]", ip, e->port);
    radius_put(w, type, span_str(text));
}

static span_t cut(span_t s)
{
    return span(s.at, s.len < RADIUS_VALUE_MAX ? s.len : RADIUS_VALUE_MAX);
}

void radius_put_station(wr_t *w, const struct radius_station *s)
{
    bool v6 = s->local.ip.family == AF_INET6;
    // A name that is too long is none of the server's: it would be another one if it were cut.
    radius_put(w, RADIUS_USER_NAME, s->user);
    radius_put_u32(w, RADIUS_NAS_PORT_TYPE, PORT_VIRTUAL);
    radius_put_u32(w, RADIUS_SERVICE_TYPE, SERVICE_FRAMED);
    radius_put_u32(w, RADIUS_NAS_PORT, s->port);
    radius_put(w, RADIUS_NAS_PORT_ID, cut(span_str(s->name)));
    radius_put(w, v6 ? RADIUS_NAS_IPV6_ADDRESS : RADIUS_NAS_IP_ADDRESS,
               span(s->local.ip.b, ip_len(s->local.ip.family)));
    put_where(w, RADIUS_CALLED_STATION, &s->local, s->with_port);
    put_where(w, RADIUS_CALLING_STATION, &s->remote, s->with_port);
}
