// The screen of pavise top: what two looks make, in any size of terminal.
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/top.h"
#include "test/check.h"

#define SAS(in, out, spi)                                                                     \
    "[{\"gw\": {\"remote-host\": \"192.0.2.2\", \"child-sas\": {\"a-1\": {\"name\": \"aa\", " \
    "\"spi-in\": \"1\", \"bytes-in\": \"" in "\", \"bytes-out\": \"" out                      \
    "\", \"use-in\": \"3\"}, "                                                                \
    "\"b-2\": {\"name\": \"bb\", \"spi-in\": \"" spi "\", \"bytes-in\": \"9000000\", "        \
    "\"bytes-out\": \"5\"}}}}]"
#define STAT(count, cpu)                                                                       \
    "{\"drops\": [{\"word\": \"replay\", \"text\": \"t\", \"count\": " count                   \
    "}, {\"word\": \"auth\", \"text\": \"t\", \"count\": 0}], \"workers\": [{\"cpu_ns\": " cpu \
    "}]}"

static json_t *between(void)
{
    struct top_look a = {.at = 1000000000,
                         .sas = json_loads(SAS("1000", "0", "2"), 0, NULL),
                         .stat = json_loads(STAT("3", "0"), 0, NULL)};
    struct top_look b = {.at = 3000000000,
                         .sas = json_loads(SAS("5000", "800", "7"), 0, NULL),
                         .stat = json_loads(STAT("9", "500000000"), 0, NULL)};
    CHECK(a.sas && a.stat && b.sas && b.stat);
    json_t *what = top_json(&a, &b);
    top_look_done(&a);
    top_look_done(&b);
    return what;
}

static void rates_are_differences(void **state)
{
    (void)state;
    json_t *what = between(), *t = json_object_get(what, "tunnels");
    CHECK_EQ(json_array_size(t), 2);
    CHECK_EQ(json_u64(json_array_get(t, 0), "in"), 2000);
    CHECK_EQ(json_u64(json_array_get(t, 0), "out"), 400);
    CHECK_EQ(json_u64(json_array_get(t, 1), "in"), 0); // a new SA: nothing to compare with
    const json_t *d = json_array_get(json_object_get(what, "drops"), 0);
    CHECK_EQ(json_array_size(json_object_get(what, "drops")), 1);
    CHECK_EQ(json_u64(d, "count"), 9);
    CHECK_EQ(json_u64(d, "per_second"), 3);
    const json_t *w = json_array_get(json_object_get(what, "workers"), 0);
    CHECK_EQ((int)json_real_value(json_object_get(w, "cpu_percent")), 25);
    json_decref(what);
}

static const char *drawn(const json_t *what, const struct top_view *v, struct text *out)
{
    text_done(out);
    *out = (struct text){0};
    top_draw(what, v, out);
    return text_str(out);
}

static void fits_every_terminal(void **state)
{
    (void)state;
    json_t *what = between();
    AUTO(text) struct text out = {0};
    for (unsigned rows = 5; rows < 40; rows += 7) {
        for (unsigned columns = 40; columns < 200; columns += 20) {
            struct top_view v = {.rows = rows, .columns = columns, .interval = 2};
            unsigned lines = 1, width = 0;
            for (const char *s = drawn(what, &v, &out); *s; s++) {
                width = *s == '\n' ? 0 : width + 1;
                lines += *s == '\n';
                CHECK(width <= columns);
            }
            CHECK_EQ(lines, rows);
        }
    }
    json_decref(what);
}

static void sorted_and_filtered(void **state)
{
    (void)state;
    json_t *what = between();
    AUTO(text) struct text out = {0};
    struct top_view v = {.rows = 24, .columns = 80, .interval = 2};
    const char *s = drawn(what, &v, &out);
    CHECK(strstr(s, "gw/aa") < strstr(s, "gw/bb"));
    CHECK(strstr(s, "2.0 KiB") && strstr(s, "replay 9 (3/s)") && strstr(s, "0: 25 %"));
    CHECK(strstr(s, "never")); // bb has never got anything
    (void)strcpy(v.filter, "bb");
    s = drawn(what, &v, &out);
    CHECK(!strstr(s, "gw/aa") && strstr(s, "gw/bb"));
    json_decref(what);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_differences),
        cmocka_unit_test(fits_every_terminal),
        cmocka_unit_test(sorted_and_filtered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
