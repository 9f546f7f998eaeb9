#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

const char *err_text(err_t e)
{
    static const char *const texts[] = {
#define X(name, text) [ERR_##name] = text,
        ERR_LIST(X)
#undef X
    };
    return (unsigned)e < sizeof texts / sizeof *texts ? texts[e] : "unknown error";
}

err_t why_not(struct why *w, err_t e, const char *fmt, ...)
{
    if (!w) return e;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(w->text, sizeof w->text, fmt, ap);
    va_end(ap);
    return e;
}
