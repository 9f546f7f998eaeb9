#include "cli/fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/paint.h"

#define MEANING_COLUMN 40 // where explanations begin
#define TAB 8

void fields_line(struct fields *f, const char *indent)
{
    f->indent = indent;
    f->count = 0;
}

static unsigned width_of(const char *s)
{
    unsigned n = 0;
    for (; *s; s++) n = *s == '\t' ? (n / TAB + 1) * TAB : n + 1;
    return n;
}

static void print_explained(const struct fields *f, const char *field, const char *meaning)
{
    unsigned at = width_of(f->indent) + width_of(field);
    printf("%s%s%s%s", f->indent, paint(BOLD), field, paint(PLAIN));
    if (!meaning) {
        printf("\n");
        return;
    }
    if (at >= MEANING_COLUMN) {
        printf("\n");
        at = 0;
    }
    printf("%*s%s# %s%s\n", (int)(MEANING_COLUMN - at), "", paint(DIM), meaning, paint(PLAIN));
}

void fields_add(struct fields *f, const char *meaning, const char *fmt, ...)
{
    char field[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(field, sizeof field, fmt, ap);
    va_end(ap);
    if (f->explain) {
        print_explained(f, field, meaning);
    } else {
        printf("%s%s", f->count ? " " : f->indent, field);
    }
    f->count++;
}

void fields_end(struct fields *f)
{
    if (!f->explain && f->count) printf("\n");
    f->count = 0;
}
