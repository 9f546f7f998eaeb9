// capture_fuzz.c - a capture of any bytes is read to its end, told and summed up. The keys are
// known to the corpus, so that what is inside SK and ESP is reached, too. An input that begins with
// 'K' is a key table.
#include <stdlib.h>

#include "see/see.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

#define SMALLEST 6U // bytes of a message in TCP that is told: its length, an SPI
#define KEY "000102030405060708090a0b0c0d0e0f10111213"

static void must(bool holds)
{
    if (!holds) abort();
}

static const struct see_keys *known_keys(void)
{
    static struct see_keys keys;
    if (keys.ike_n) return &keys;
    must(see_keys_read(&keys, "ikev2_decryption_table",
                       span_str("01,02," KEY "," KEY ",\"AES-GCM-128 with 16 octet ICV [RFC5282]\""
                                ",,,\"NONE [RFC4306]\"\n")) == ERR_OK);
    must(see_keys_read(&keys, "esp_sa",
                       span_str("\"IPv4\",\"*\",\"*\",\"*\",\"AES-GCM with 16 octet ICV "
                                "[RFC4106]\",\"0x" KEY "\",\"NULL\",\"\"\n")) == ERR_OK);
    must(see_keys_read(&keys, "pavise_auth", span_str("01,02,5," KEY "," KEY "\n")) == ERR_OK);
    must(keys.ike_n == 1 && keys.esp_n == 1 && keys.auth_n == 1 && keys.issue_n == 0);
    return &keys;
}

static void drop(void *ctx, json_t *event)
{
    must(json_is_object(event));
    ++*(size_t *)ctx;
    json_decref(event);
}

static void read_tables(span_t s)
{
    static const char *const tables[] = {"ikev2_decryption_table", "esp_sa", "pavise_auth"};
    for (unsigned i = 0; i < 3; i++) {
        struct see_keys keys = {0};
        must(see_keys_read(&keys, tables[i], s) == ERR_OK);
        see_keys_done(&keys);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    static struct capture c;
    struct frame f;
    struct why why = {{0}};
    size_t events = 0, frames = 0, bytes = 0;
    span_t secret = span_str("swordfish");
    struct see_options o = {.keys = known_keys(),
                            .psk = &secret,
                            .psk_n = 1,
                            .verify = true,
                            .sink = drop,
                            .ctx = &events};
    if (n && in[0] == 'K') read_tables(span(in + 1, n - 1));
    if (capture_open(&c, span(in, n), &why) != ERR_OK) return 0;
    struct see *s = see_new(&o);
    must(s != NULL);
    while (capture_next(&c, &f, &why) == ERR_OK) {
        must(f.bytes.len <= n);
        see_frame(s, &f);
        frames++;
        bytes += f.bytes.len;
    }
    must(events <= frames + bytes / SMALLEST); // TCP brings several messages in a frame
    json_t *summary = see_summary(s);
    must(json_is_object(summary));
    json_decref(summary);
    see_free(s);
    return 0;
}
