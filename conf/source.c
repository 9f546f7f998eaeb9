#include "conf/source.h"

#include <string.h>

static size_t line_start(struct place p)
{
    size_t at = p.at;
    while (at > 0 && p.src->text.at[at - 1] != '\n') at--;
    return at;
}

void place_find(struct place p, unsigned *line, unsigned *column)
{
    *line = *column = 0;
    if (!p.src) return;
    const uint8_t *s = p.src->text.at, *end = s + p.at;
    *line = *column = 1;
    for (const uint8_t *n; s < end && (n = memchr(s, '\n', (size_t)(end - s))); s = n + 1) ++*line;
    for (; s < end; s++) *column += (*s & 0xc0) != 0x80;
}

span_t place_line(struct place p)
{
    if (!p.src) return span(NULL, 0);
    size_t from = line_start(p), to = p.at;
    while (to < p.src->text.len && p.src->text.at[to] != '\n') to++;
    return span(p.src->text.at + from, to - from);
}
