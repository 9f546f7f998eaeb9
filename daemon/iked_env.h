// iked_env.h - struct env of the real world: what the diplomat asks for is done by the network, the
// executor, the resolver, the log.
#pragma once

#include "daemon/iked.h"

// d must outlive the diplomat; its executor and net are open.
struct env iked_env(struct iked *d);
