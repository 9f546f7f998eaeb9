// decode.c - pavise decode FILE: what a capture tells, packet by packet and as a whole.
#include "cli/decode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/say.h"
#include "see/see.h"

#define FILE_MAX (1U << 30) // bytes of a capture: it is held in memory
#define CHUNK (1U << 20)
#define SECRETS_MAX 64U

// ---- files ----

struct bytes {
    uint8_t *at;
    size_t len;
};

static bool bytes_more(gzFile f, struct bytes *b)
{
    uint8_t *more = b->len > FILE_MAX ? NULL : realloc(b->at, b->len + CHUNK);
    if (!more) {
        errno = b->len > FILE_MAX ? EFBIG : ENOMEM;
        return false;
    }
    b->at = more;
    int n = gzread(f, b->at + b->len, CHUNK);
    if (n > 0) b->len += (size_t)n;
    if (n < 0 && b->len == 0) errno = EIO;
    return n > 0;
}

// The whole file, unpacked if it is packed (gzip).
static bool file_read(const char *path, struct bytes *b)
{
    *b = (struct bytes){0};
    errno = 0;
    gzFile f = gzopen(path, "rb");
    if (!f) return false;
    errno = 0;
    while (bytes_more(f, b)) continue;
    int error = errno;
    (void)gzclose_r(f);
    errno = error;
    return error == 0;
}

static bool keys_read(const char *dir, struct see_keys *keys)
{
    static const char *const tables[] = {"ikev2_decryption_table", "esp_sa", "pavise_auth",
                                         "pavise_ike", "pavise_esp"};
    unsigned found = 0;
    for (unsigned i = 0; i < sizeof tables / sizeof *tables; i++) {
        char path[4096];
        struct bytes b;
        (void)snprintf(path, sizeof path, "%s/%s", dir, tables[i]);
        if (file_read(path, &b)) {
            found++;
            IGNORE(see_keys_read(keys, tables[i], span(b.at, b.len))); // issues say what is wrong
        }
        if (b.at) wipe(b.at, b.len);
        free(b.at);
    }
    for (unsigned i = 0; i < keys->issue_n; i++) say_hint("%s/%s", dir, keys->issue[i].text);
    if (found) return true;
    say_error("%s: there is no ikev2_decryption_table and no esp_sa", dir);
    say_hint("pavise-iked --keylog DIR writes them; Wireshark has them in its profile's folder");
    return false;
}

// One secret a line: 0x.. is hex, 0s.. is base64, everything else is text.
static unsigned secrets_split(struct bytes *b, span_t out[SECRETS_MAX])
{
    unsigned n = 0;
    for (size_t at = 0; at < b->len && n < SECRETS_MAX;) {
        uint8_t *line = b->at + at, *end = memchr(line, '\n', b->len - at);
        size_t len = end ? (size_t)(end - line) : b->len - at, room = len;
        at += len + 1;
        if (len && line[len - 1] == '\r') room = --len;
        if (len == 0) continue;
        const char *text = (const char *)line + 2;
        if (len > 2 && memcmp(line, "0x", 2) == 0 && hex_read(text, len - 2, line, &room) == ERR_OK)
            len = room;
        room = len;
        if (len > 2 && memcmp(line, "0s", 2) == 0 &&
            base64_read(text, len - 2, line, &room) == ERR_OK)
            len = room;
        out[n++] = span(line, len);
    }
    return n;
}

// ---- decoding ----

struct sink {
    json_t *events; // NULL: print them as they come
};

static void take(void *ctx, json_t *event)
{
    struct sink *s = ctx;
    if (s->events) {
        json_add(s->events, event);
        return;
    }
    decode_event(event);
    json_decref(event);
}

static int decode(const char *path, span_t file, const struct see_options *o, struct sink *sink)
{
    static struct capture c;
    struct frame f;
    struct why why = {{0}};
    err_t err = capture_open(&c, file, &why);
    struct see *s = err == ERR_OK ? see_new(o) : NULL;
    if (!s) {
        say_error("%s: %s", path, why.text);
        say_hint("captures are made by 'tcpdump -w FILE', Wireshark, 'pavise trace --write FILE'");
        return CLI_FAILED;
    }
    while ((err = capture_next(&c, &f, &why)) == ERR_OK) see_frame(s, &f);
    json_t *summary = see_summary(s);
    see_free(s);
    bool whole = err == ERR_CLOSED;
    if (sink->events) {
        json_print(json_pack("{s:s, s:s, s:b, s:s?, s:O, s:o}", "file", path, "format",
                             capture_kind_name(&c), "whole", whole, "broken",
                             whole ? NULL : why.text, "events", sink->events, "summary", summary));
    } else {
        decode_summary(summary);
        json_decref(summary);
    }
    if (!whole) say_error("%s: %s", path, why.text);
    if (!whole && !sink->events) say_hint("what stands above is the part that could be read");
    return whole ? CLI_OK : CLI_FAILED;
}

static int run(const struct args *a)
{
    struct see_keys keys = {0};
    struct bytes file = {0}, secrets = {0};
    span_t psk[SECRETS_MAX];
    struct sink sink = {.events = args_get(a, "--json") ? json_array() : NULL};
    struct see_options o = {.keys = &keys, .psk = psk, .sink = take, .ctx = &sink};
    const char *dir = args_get(a, "--keys"), *secret = args_get(a, "--secrets");
    int status = CLI_FAILED;
    o.verify = args_get(a, "--verify") != NULL;
    if (!file_read(a->word[0], &file)) {
        say_error("%s: %s", a->word[0], strerror(errno));
    } else if (secret && !file_read(secret, &secrets)) {
        say_error("%s: %s", secret, strerror(errno));
    } else if (!dir || keys_read(dir, &keys)) {
        o.psk_n = secret ? secrets_split(&secrets, psk) : 0;
        status = decode(a->word[0], span(file.at, file.len), &o, &sink);
    }
    see_keys_done(&keys);
    if (secrets.at) wipe(secrets.at, secrets.len);
    free(secrets.at);
    free(file.at);
    json_decref(sink.events);
    return status;
}

static const struct args_option options[] = {
    {"--keys", "DIR", "folder that --keylog has written, or with Wireshark's tables"},
    {"--secrets", "FILE", "shared secrets for --verify, one a line (text, 0x.., 0s..)"},
    {"--verify", NULL, "recompute AUTH and the ICV of every packet"},
    OPTION_JSON,
    {0}};

const struct command command_decode = {
    .name = "decode",
    .words = "FILE",
    .summary = "tells what a capture (pcap, pcapng) holds",
    .about =
        "Reads a capture and tells the negotiations in it message by message, names what is\n"
        "against the RFCs, and says what became of each IKE SA and of the ESP and AH traffic.\n"
        "With session keys (pavise-iked --keylog, or Wireshark's own tables) it decrypts.\n"
        "The exit status is 1 if the file is broken; what could be read is told all the same.",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
