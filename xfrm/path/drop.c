#include "xfrm/path/drop.h"

struct drop_name {
    const char *word, *kernel, *text;
};

static const struct drop_name names[DROP_COUNT] = {
#define X(name, word, kernel, text) [DROP_##name] = {word, kernel, text},
    DROP_LIST(X)
#undef X
};

const char *drop_word(enum drop d)
{
    return d < DROP_COUNT ? names[d].word : "?";
}

const char *drop_kernel(enum drop d)
{
    return d < DROP_COUNT ? names[d].kernel : "";
}

const char *drop_text(enum drop d)
{
    return d < DROP_COUNT ? names[d].text : "?";
}
