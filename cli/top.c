// top.c - pavise top: the tunnels, live. On a terminal with keys; else a screen, or JSON, at a
// time.
#include "cli/top.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/page.h"
#include "cli/say.h"

#define INTERVAL_S 2.0
#define ROWS_USUAL 24U

// ---- the terminal ----

static void size_read(struct top_view *v)
{
    struct winsize w = {0};
    v->columns = page_width();
    v->rows = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row ? w.ws_row : ROWS_USUAL;
}

static bool raw_on(struct termios *before)
{
    if (tcgetattr(STDIN_FILENO, before) != 0) return false;
    struct termios raw = *before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG); // Ctrl-C comes as a key, and all is put back
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0) return false;
    printf("\033[?1049h\033[?25l"); // the other screen, no cursor
    return true;
}

static void raw_off(const struct termios *before)
{
    printf("\033[?25h\033[?1049l");
    (void)fflush(stdout);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, before);
}

static void show(const json_t *what, struct top_view *v, bool screen)
{
    AUTO(text) struct text out = {0};
    size_read(v);
    top_draw(what, v, &out);
    if (!screen) {
        printf("%s\n", text_str(&out));
        (void)fflush(stdout);
        return;
    }
    printf("\033[H");
    for (const char *s = text_str(&out); *s; s++) {
        if (*s == '\n') printf("\033[K\r"); // the rest of the line before may be longer
        printf("%c", *s);
    }
    printf("\033[J");
    (void)fflush(stdout);
}

// ---- keys ----

static void filter_key(struct top_view *v, char c)
{
    size_t n = strlen(v->filter);
    if (c == '\r' || c == '\n') {
        v->asking = false;
    } else if ((c == 0x7f || c == '\b') && n) {
        v->filter[n - 1] = 0;
    } else if (c >= ' ' && c <= '~' && n + 1 < sizeof v->filter) {
        v->filter[n] = c;
        v->filter[n + 1] = 0;
    }
}

// false: enough.
static bool key(struct top_view *v, char c)
{
    if (c == 3 || (c == 'q' && !v->asking)) return false; // 3: Ctrl-C
    if (v->asking) {
        filter_key(v, c);
    } else if (c == 's') {
        v->sort = (enum top_sort)((v->sort + 1) % TOP_SORTS);
    } else if (c == 'p') {
        v->paused = !v->paused;
    } else if (c == 'f') {
        v->asking = true;
        v->filter[0] = 0;
    }
    return true;
}

// Waits for a key or for the interval to pass. 0: passed, 1: a key, -1: enough.
static int wait_key(struct top_view *v, uint64_t ms)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    char c;
    int n = poll(&in, 1, (int)ms);
    if (n <= 0) return 0;
    if (read(STDIN_FILENO, &c, 1) != 1 || !key(v, c)) return -1;
    return 1;
}

// ---- the command ----

static int live(const struct args *a, struct top_view *v)
{
    struct termios before;
    struct top_look old = {0}, now = {0};
    json_t *what = NULL;
    bool gone = false;
    int k = 0;
    if (!top_look(a, &old)) return CLI_FAILED;
    if (!raw_on(&before)) {
        top_look_done(&old);
        return CLI_FAILED;
    }
    uint64_t ms = 200; // the first screen comes soon
    while (k >= 0) {
        k = wait_key(v, ms);
        if (k == 0 && !v->paused) {
            if (!top_look(a, &now)) {
                gone = true;
                break;
            }
            json_decref(what);
            what = top_json(&old, &now);
            top_look_done(&old);
            old = now;
            now = (struct top_look){0};
            ms = (uint64_t)(v->interval * 1000);
        }
        if (k >= 0 && what) show(what, v, true);
    }
    raw_off(&before);
    if (gone) (void)top_look(a, &now); // says it again, where it can be read
    json_decref(what);
    top_look_done(&old);
    top_look_done(&now);
    return gone ? CLI_FAILED : CLI_OK;
}

static int plain(const struct args *a, struct top_view *v, unsigned count, bool json)
{
    struct top_look old = {0}, now = {0};
    bool good = top_look(a, &old);
    for (unsigned i = 0; good && i < count; i++) {
        (void)poll(NULL, 0, (int)(v->interval * 1000));
        good = top_look(a, &now);
        if (!good) break;
        json_t *what = top_json(&old, &now);
        if (json) {
            json_print_line(what);
        } else {
            show(what, v, false);
            json_decref(what);
        }
        top_look_done(&old);
        old = now;
        now = (struct top_look){0};
    }
    top_look_done(&old);
    top_look_done(&now);
    return good ? CLI_OK : CLI_FAILED;
}

static int run(const struct args *a)
{
    const char *interval = args_get(a, "--interval"), *count = args_get(a, "--count");
    struct top_view v = {.interval = interval ? strtod(interval, NULL) : INTERVAL_S};
    unsigned long n = count ? strtoul(count, NULL, 10) : 1;
    bool json = args_get(a, "--json");
    if (!(v.interval >= 0.1 && v.interval <= 3600) || n == 0 || n > 1000000) {
        say_error("--interval takes seconds from 0.1 to 3600, --count a number of screens");
        return CLI_USAGE;
    }
    if (a->words) (void)snprintf(v.filter, sizeof v.filter, "%s", a->word[0]);
    bool terminal = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);
    if (terminal && !json && !count) return live(a, &v);
    return plain(a, &v, (unsigned)n, json);
}

static const struct args_option options[] = {
    {"--interval", "SECONDS", "between two looks (2)"},
    {"--count", "N", "so many screens one below the other, then end"},
    OPTION_JSON,
    OPTION_SOCKET,
    {0}};

const struct command command_top = {
    .name = "top",
    .words = "[NAME]",
    .summary = "the tunnels live: rates, drops, CPU of workers",
    .about = "Shows how fast bytes pass in each tunnel, what is dropped and why, and how busy the\n"
             "workers of pavise-xfrmd are; NAME leaves only those whose name or peer has it.\n"
             "Keys: q quit, s sort by rate, name, in or out, p pause, f filter (Enter ends it).\n"
             "Where the output is no terminal: one screen, or as many as --count says.",
    .options = options,
    .words_max = 1,
    .run = run,
};
