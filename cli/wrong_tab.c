#include "cli/wrong_tab.h"

#include <stdarg.h>

#include "base/text.h"
#include "cli/json.h"

static const struct {
    const char *code, *meaning, *remedy;
} entries[] = {
#define X(symbol, code, meaning, remedy) [WRONG_##symbol] = {code, meaning, remedy},
    WRONG_LIST(X)
#undef X
};

void wrong_add(json_t *list, enum wrong_code code, const char *about, const char *fmt, ...)
{
    AUTO(text) struct text what = {0};
    va_list ap;
    va_start(ap, fmt);
    text_addv(&what, fmt, ap);
    va_end(ap);
    json_add(list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "code", entries[code].code, "about",
                             about, "what", text_str(&what), "meaning", entries[code].meaning,
                             "hint", entries[code].remedy));
}
