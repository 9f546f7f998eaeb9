#include "cli/say.h"

#include <stdarg.h>
#include <stdio.h>

#include "cli/paint.h"

void say_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fprintf(stderr, "pavise: %serror:%s ", paint_err(RED), paint_err(PLAIN));
    (void)vfprintf(stderr, fmt, ap);
    (void)fputc('\n', stderr);
    va_end(ap);
}

void say_hint(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fprintf(stderr, "  %shint:%s ", paint_err(CYAN), paint_err(PLAIN));
    (void)vfprintf(stderr, fmt, ap);
    (void)fputc('\n', stderr);
    va_end(ap);
}
