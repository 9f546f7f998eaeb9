// decode_show.c - the events of a capture (see/see.h) for people.
#include <stdio.h>
#include <string.h>

#include "cli/decode.h"
#include "cli/human.h"
#include "cli/json.h"
#include "cli/page.h"
#include "cli/paint.h"

#define INDENT 12U
#define TEXT 20U // where the sentence about a payload begins

static enum paint colour_of(const char *gravity)
{
    return strcmp(gravity, "error") == 0 ? RED : strcmp(gravity, "warning") == 0 ? YELLOW : DIM;
}

static void show_faults(const json_t *of, unsigned indent)
{
    size_t i;
    json_t *f;
    char line[1200];
    json_array_foreach(json_object_get(of, "faults"), i, f)
    {
        const char *rfc = json_str(f, "rfc"), *hint = json_str(f, "hint");
        printf("%s", paint(colour_of(json_str(f, "gravity"))));
        (void)snprintf(line, sizeof line, "%s: %s%s%s%s", json_str(f, "gravity"),
                       json_str(f, "what"), *rfc ? " (" : "", rfc, *rfc ? ")" : "");
        page_print(indent, "", line);
        printf("%s", paint(PLAIN));
        if (!*hint) continue;
        (void)snprintf(line, sizeof line, "hint: %s", hint);
        printf("%s", paint(CYAN));
        page_print(indent + 2, "", line);
        printf("%s", paint(PLAIN));
    }
}

static void show_list(const json_t *payload, const char *key)
{
    size_t i;
    json_t *p;
    char mark[64];
    const json_t *list = json_object_get(payload, key);
    (void)snprintf(mark, sizeof mark, "%*s  %-9s", (int)INDENT, "", key);
    json_array_foreach(list, i, p)
    {
        page_print(INDENT + 12, i ? "" : mark, json_string_value(p));
    }
}

static void show_payloads(const json_t *event)
{
    size_t i;
    json_t *p;
    char mark[40];
    json_array_foreach(json_object_get(event, "payloads"), i, p)
    {
        (void)snprintf(mark, sizeof mark, "%*s%-8s", (int)INDENT, "", json_str(p, "type"));
        page_print(TEXT, mark, json_str(p, "text"));
        if (strcmp(json_str(p, "type"), "compare") != 0) continue;
        show_list(p, "offered");
        show_list(p, "answered");
        show_list(p, "refuser");
    }
}

static void show_head(const json_t *e)
{
    const char *kind = json_str(e, "kind"), *protection = json_str(e, "protection");
    double at = json_real_value(json_object_get(e, "time"));
    printf("%s%10.6f%s  %s > %s  %sframe %llu%s\n%*s%s", paint(DIM), at, paint(PLAIN),
           json_str(e, "from"), json_str(e, "to"), paint(DIM),
           (unsigned long long)json_u64(e, "frame"), paint(PLAIN), (int)INDENT, "", paint(BOLD));
    if (strcmp(kind, "ike") == 0 && json_object_get(e, "exchange")) {
        printf("%s %s %llu", json_str(e, "exchange"), json_str(e, "role"),
               (unsigned long long)json_u64(e, "id"));
    } else if (strcmp(kind, "ike1") == 0) {
        printf("IKEv1 %s", json_str(e, "exchange"));
    } else if (*json_str(e, "spi")) {
        printf("%s %s, number %llu", strcmp(kind, "ah") == 0 ? "AH" : "ESP", json_str(e, "spi"),
               (unsigned long long)json_u64(e, "seq"));
    } else {
        printf("%s", strcmp(kind, "icmp") == 0 ? "ICMP" : strcmp(kind, "tcp") == 0 ? "TCP" : kind);
    }
    printf("%s%s%s%s", paint(PLAIN), *protection ? ", " : "", protection,
           json_yes(e, "repeats") ? ", again" : "");
    if (*json_str(e, "carries")) printf(", carries %s", json_str(e, "carries"));
    printf("\n");
}

void decode_event(const json_t *event)
{
    show_head(event);
    show_payloads(event);
    show_faults(event, INDENT);
}

static void show_talk(const json_t *t)
{
    const char *i = json_str(t, "initiator_id"), *r = json_str(t, "responder_id");
    printf("  %s%s > %s%s  %s_i %s_r\n", paint(BOLD), json_str(t, "initiator"),
           json_str(t, "responder"), paint(PLAIN), json_str(t, "spi_i"), json_str(t, "spi_r"));
    page_print(4, "", json_str(t, "outcome"));
    if (*json_str(t, "proposal")) page_print(4, "", json_str(t, "proposal"));
    if (*i || *r) printf("    identities: %s and %s\n", *i ? i : "unknown", *r ? r : "unknown");
    if (strcmp(json_str(t, "nat"), "none") != 0) printf("    NAT: %s\n", json_str(t, "nat"));
    show_faults(t, 4);
}

static void show_flow(const json_t *f)
{
    char bytes[HUMAN_MAX];
    printf("  %s%s > %s%s  %s %s%s\n", paint(BOLD), json_str(f, "from"), json_str(f, "to"),
           paint(PLAIN), strcmp(json_str(f, "kind"), "ah") == 0 ? "AH" : "ESP", json_str(f, "spi"),
           strcmp(json_str(f, "encapsulation"), "udp") == 0   ? " in UDP"
           : strcmp(json_str(f, "encapsulation"), "tcp") == 0 ? " in TCP"
                                                              : "");
    printf("    %llu packets, %s, numbers %llu to %llu", (unsigned long long)json_u64(f, "packets"),
           human_bytes(json_u64(f, "bytes"), bytes), (unsigned long long)json_u64(f, "seq_first"),
           (unsigned long long)json_u64(f, "seq_last"));
    static const char *const counts[] = {"missing", "doubled", "late", "opened", "icv_wrong"};
    static const char *const words[] = {"missing", "twice", "late", "decrypted",
                                        "with a wrong ICV"};
    for (unsigned i = 0; i < 5; i++) {
        uint64_t n = json_u64(f, counts[i]);
        if (n) printf(", %llu %s", (unsigned long long)n, words[i]);
    }
    printf("\n");
    if (*json_str(f, "carries")) printf("    carries %s\n", json_str(f, "carries"));
    show_faults(f, 4);
}

void decode_summary(const json_t *s)
{
    size_t i;
    json_t *x;
    printf(
        "\n%s%llu frames%s: %llu IKE messages, %llu ESP and %llu AH packets, %llu NAT keepalives\n",
        paint(BOLD), (unsigned long long)json_u64(s, "frames"), paint(PLAIN),
        (unsigned long long)json_u64(s, "ike_messages"),
        (unsigned long long)json_u64(s, "esp_packets"),
        (unsigned long long)json_u64(s, "ah_packets"),
        (unsigned long long)json_u64(s, "nat_keepalives"));
    if (json_array_size(json_object_get(s, "ike_sas"))) printf("\nIKE SAs\n");
    json_array_foreach(json_object_get(s, "ike_sas"), i, x) show_talk(x);
    if (json_array_size(json_object_get(s, "flows"))) printf("\nESP and AH\n");
    json_array_foreach(json_object_get(s, "flows"), i, x) show_flow(x);
    show_faults(s, 0);
}
