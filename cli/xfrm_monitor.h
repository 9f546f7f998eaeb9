// xfrm_monitor.h - pavise xfrm monitor.
#pragma once

#include "cli/command.h"

int xfrm_monitor(const struct args *a); // exit status
