// radius.h - a question to a RADIUS server, as struct env takes it: a work that another machine
// does.
#pragma once

#include "ike/sa/work.h"
#include "radius/client.h"

struct ike_radius {
    struct ike_work w;     // first: a pointer to it is one to the whole; `run` is NULL
    struct radius_query q; // `done` belongs to whoever asks in env's name
};
