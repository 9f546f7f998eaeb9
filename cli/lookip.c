// lookip.c - pavise lookip: who has which virtual address, now and as that changes.
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/say.h"

struct look {
    bool json, up, down;
    const char *only; // the address that is looked for; NULL: all
    unsigned found;
};

// ---- one holder --------------------------------------------------------------------------------

struct holder {
    const char *what, *vip, *ip, *conn, *id, *number;
};

// As strongSwan's tool of that name prints it.
static void show(const struct look *l, const struct holder *h)
{
    char name[80];
    if (l->json) {
        json_print_line(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "event", h->what, "vip", h->vip,
                                  "ip", h->ip, "name", h->conn, "uniqueid", h->number, "id",
                                  h->id));
    } else {
        char label[16];
        (void)snprintf(label, sizeof label, "%s:", h->what);
        (void)snprintf(name, sizeof name, "%s[%s]", h->conn, h->number);
        printf("%-12s %16s %16s %20s %s\n", label, h->vip, h->ip, name, h->id);
    }
    (void)fflush(stdout);
}

static void show_all(struct look *l, const char *what, const char *conn, const json_t *sa)
{
    size_t i;
    const json_t *vip;
    const char *eap = json_str(sa, "remote-eap-id");
    json_array_foreach(json_object_get(sa, "remote-vips"), i, vip)
    {
        if (l->only && strcmp(l->only, json_string_value(vip)) != 0) continue;
        l->found++;
        show(l, &(struct holder){.what = what,
                                 .vip = json_string_value(vip),
                                 .ip = json_str(sa, "remote-host"),
                                 .conn = conn,
                                 .id = *eap ? eap : json_str(sa, "remote-id"),
                                 .number = json_str(sa, "uniqueid")});
    }
}

// ---- now ---------------------------------------------------------------------------------------

static bool look_up(struct vici_client *c, struct look *l)
{
    size_t i;
    json_t *one, *sa;
    const char *conn;
    json_t *sas = control_list(c, "list-sas", "list-sa");
    if (!sas) return false;
    json_array_foreach(sas, i, one) json_object_foreach(one, conn, sa)
        show_all(l, "lookup", conn, sa);
    json_decref(sas);
    if (l->only && !l->found) {
        show(l, &(struct holder){"not found", l->only, "", "", "", "0"});
    }
    return true;
}

// ---- and from now on ---------------------------------------------------------------------------

static void on_updown(void *ctx, span_t name, span_t elements)
{
    struct look *l = ctx;
    const char *conn;
    json_t *sa, *j = json_from_vici(elements);
    (void)name;
    bool up = json_yes(j, "up");
    json_object_foreach(j, conn, sa)
    {
        if (json_is_object(sa) && (up ? l->up : l->down)) show_all(l, up ? "up" : "down", conn, sa);
    }
    json_decref(j);
}

static int keep_listening(struct vici_client *c, struct look *l)
{
    err_t e = ERR_OK;
    l->only = NULL;
    while (e == ERR_OK) e = vici_wait(c, -1, on_updown, l);
    if (e == ERR_CLOSED) return CLI_OK; // as strongSwan's: the daemon has ended, and so has this
    say_error("cannot follow the daemon: %s", err_text(e));
    return CLI_FAILED;
}

// ---- the command -------------------------------------------------------------------------------

// The address as the daemon writes it, in text; false: said why it is none.
static bool address_read(const char *word, struct look *l, char text[IP_TEXT_MAX])
{
    ip_t ip;
    if (!word) return true;
    if (ip_parse(word, &ip) != ERR_OK) {
        say_error("'%s' is no IP address", word);
        say_hint("an address as a peer was given it, like 10.3.0.1");
        return false;
    }
    l->only = ip_show(&ip, text);
    return true;
}

static int run(const struct args *a)
{
    char text[IP_TEXT_MAX];
    struct look l = {.json = args_get(a, "--json") != NULL,
                     .up = args_get(a, "--listen-up") != NULL,
                     .down = args_get(a, "--listen-down") != NULL};
    const bool listens = l.up || l.down;
    if (!address_read(args_get(a, "--lookup"), &l, text)) return CLI_USAGE;
    struct vici_client *c = control_open(a);
    if (!c) return CLI_FAILED;
    // Before the list is asked for: what changes meanwhile is told.
    bool good = !listens || vici_register(c, "ike-updown") == ERR_OK;
    if (good && (!listens || l.only || args_get(a, "--dump"))) good = look_up(c, &l);
    int status = !good ? CLI_FAILED : listens ? keep_listening(c, &l) : CLI_OK;
    vici_close(c);
    return status;
}

static const struct args_option options[] = {
    {"--dump", NULL, "all virtual addresses that peers have (what it does without options)"},
    {"--lookup", "ADDRESS", "who has this one?"},
    {"--listen-up", NULL, "go on with those that are given, until Ctrl-C"},
    {"--listen-down", NULL, "... and with those that are given back"},
    {"--json", NULL, "one JSON object per line"},
    OPTION_SOCKET,
    {0}};

const struct command command_lookip = {
    .name = "lookip",
    .words = "",
    .summary = "which peer has which virtual address",
    .about = "Each line has the virtual address, the peer's own address, the connection with the\n"
             "number of its IKE SA, and the peer's identity. Options, lines and name are those of\n"
             "strongSwan's tool, so that scripts need no change.",
    .options = options,
    .run = run,
};
