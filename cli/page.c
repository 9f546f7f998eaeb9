#include "cli/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_USUAL 100U
#define WIDTH_MIN 40U

unsigned page_width(void)
{
    struct winsize w = {0};
    const char *columns = getenv("COLUMNS");
    unsigned long n = columns ? strtoul(columns, NULL, 10) : 0;
    if (n == 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0) n = w.ws_col;
    if (n == 0) return WIDTH_USUAL;
    return n < WIDTH_MIN ? WIDTH_MIN : (unsigned)(n > 1000 ? 1000 : n);
}

// Bytes of UTF-8 that fill at most `room` columns.
static size_t fitting(const char *s, size_t room)
{
    size_t n = 0;
    for (size_t columns = 0; s[n]; n++) {
        if ((s[n] & 0xc0) == 0x80) continue;
        if (columns++ == room) break;
    }
    return n;
}

void page_print(unsigned indent, const char *mark, const char *text)
{
    size_t room = page_width() > indent + 20 ? page_width() - indent : 20;
    printf("%s%*s", mark, (int)(indent > strlen(mark) ? indent - strlen(mark) : 0), "");
    while (*text) {
        size_t n = fitting(text, room), cut = n;
        while (text[n] && cut > 0 && text[cut] != ' ') cut--;
        if (text[n] && cut > 0) n = cut;
        printf("%.*s", (int)n, text);
        text += n;
        while (*text == ' ') text++;
        if (*text) printf("\n%*s", (int)indent, "");
    }
    printf("\n");
}
