// What is kept of the story, and whose it is.
#include "daemon/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/check.h"

static void say(struct story *s, uint32_t sa, const char *name, const char *text)
{
    struct story_line l = {.group = "IKE", .level = 1, .name = name, .sa = sa, .text = text};
    CHECK_OK(ip_parse("192.0.2.1", &l.local));
    CHECK_OK(ip_parse("198.51.100.1", &l.remote));
    story_add(s, &l);
}

static bool gather(void *ctx, const struct story_line *l)
{
    char *all = ctx;
    (void)strncat(all, l->text, 200 - strlen(all));
    (void)strncat(all, " ", 200 - strlen(all));
    return true;
}

static bool from_sun(void *ctx, const ip_t *local, const ip_t *remote)
{
    (void)ctx, (void)local;
    ip_t sun;
    CHECK_OK(ip_parse("198.51.100.1", &sun));
    return ip_eq(remote, &sun);
}

static void check_told(const struct story *s, struct story_wish w, const char *wanted)
{
    char all[256] = "";
    story_each(s, &w, gather, all);
    CHECK_STR(all, wanted);
}

static void whose_it_is(void **state)
{
    (void)state;
    struct story *s = story_new();
    say(s, 0, "", "ready");
    say(s, 1, "", "a1"); // it is gw's, as will be known later
    say(s, 2, "", "b1");
    say(s, 1, "gw", "a2");
    say(s, 2, "other", "b2");
    say(s, 3, "", "c1"); // nobody's
    check_told(s, (struct story_wish){0}, "ready a1 b1 a2 b2 c1 ");
    check_told(s, (struct story_wish){.name = "gw"}, "a1 a2 ");
    check_told(s, (struct story_wish){.name = "gw", .fits = from_sun}, "a1 a2 c1 ");
    check_told(s, (struct story_wish){.name = "other", .after = 3}, "b2 ");
    check_told(s, (struct story_wish){.after = 6}, "");
    check_told(s, (struct story_wish){.after = UINT64_MAX}, "");
    story_free(s);
}

static bool count(void *ctx, const struct story_line *l)
{
    unsigned *n = ctx;
    CHECK(strlen(l->text) < STORY_LINE_MAX);
    ++*n;
    return true;
}

static void it_is_bounded(void **state)
{
    (void)state;
    struct story *s = story_new();
    char *line = calloc(2 * STORY_LINE_MAX, 1);
    CHECK(s && line);
    unsigned n = 0;
    for (unsigned i = 0; i < STORY_LINES + 10; i++) say(s, i, "gw", "short");
    story_each(s, &(struct story_wish){0}, count, &n);
    CHECK_EQ(n, STORY_LINES);
    memset(line, 'x', 2 * STORY_LINE_MAX - 1);
    for (unsigned i = 0; i < 1000; i++) say(s, i, "gw", line);
    n = 0;
    story_each(s, &(struct story_wish){0}, count, &n);
    CHECK(n > 200 && n * (STORY_LINE_MAX - 1UL) <= STORY_BYTES);
    free(line);
    story_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whose_it_is),
        cmocka_unit_test(it_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
