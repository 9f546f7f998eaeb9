// paint.h - colours, on a terminal only. NO_COLOR (no-color.org) and TERM=dumb switch them off.
#pragma once

enum paint { PLAIN, BOLD, DIM, RED, GREEN, YELLOW, BLUE, CYAN, PAINTS };

const char *paint(enum paint p);     // for stdout; "" when there are no colours
const char *paint_err(enum paint p); // for stderr
