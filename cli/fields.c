#include "cli/fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/paint.h"

#define MEANING_COLUMN 36 // where explanations begin
#define TAB 4             // a tab in explanations, as blanks: they may be quoted behind something

void fields_line(struct fields *f, const char *indent)
{
    f->indent = indent;
    f->count = 0;
}

// The indentation in columns, tabs narrowed.
static int indent_of(const char *s)
{
    int n = 0;
    for (; *s; s++) n += *s == '\t' ? TAB : 1;
    return n;
}

static void print_explained(const struct fields *f, const char *field, const char *meaning)
{
    int indent = indent_of(f->indent), at = indent + (int)strlen(field);
    printf("%*s%s%s%s", indent, "", paint(BOLD), field, paint(PLAIN));
    if (!meaning) {
        printf("\n");
        return;
    }
    if (at >= MEANING_COLUMN) {
        printf("\n");
        at = 0;
    }
    printf("%*s%s# %s%s\n", MEANING_COLUMN - at, "", paint(DIM), meaning, paint(PLAIN));
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
