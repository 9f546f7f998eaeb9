// control.h - talking to pavise-iked over VICI. Failures are said on stderr, with what to do.
#pragma once

#include <jansson.h>

#include "cli/args.h"
#include "vici/client.h"

// Connects to the socket of --vici-socket, or the usual one. NULL: said why.
struct vici_client *control_open(const struct args *a);
// The same without a word: NULL if there is no daemon to talk to.
struct vici_client *control_open_quietly(const struct args *a);
// Asks and waits at most 10 s. The answer as JSON (the caller frees), or NULL: said why.
// args may be NULL.
json_t *control_ask(struct vici_client *c, const char *command, const struct vici_msg *args);
// Asks for a list (list-sas, list-conns): the events that come before the answer, as an array of
// {"name": {...}} objects. NULL: said why.
json_t *control_list(struct vici_client *c, const char *command, const char *event);
// The same with arguments.
json_t *control_list_of(struct vici_client *c, const char *command, const char *event,
                        const struct vici_msg *args);

// Runs a command that takes its time and prints the story (control-log) while it does.
struct control_act {
    const char *command;     // "initiate"
    const char *ike, *child; // names; NULL: not given
    unsigned timeout_s;      // 0: until the outcome is known
    bool quiet;              // no story
    bool force;              // terminate: without waiting for the peer
};
// The answer as JSON, or NULL: said why.
json_t *control_act(struct vici_client *c, const struct control_act *act);
// Did the answer say success? Says why not on stderr.
bool control_succeeded(const json_t *answer);
// The number of the IKE SA that a log line speaks of. strongSwan says "ikesa-uniqueid" and
// documents "ikesa-uniqueid": either is understood.
const char *control_sa_id(const json_t *line);
// Prints one log line of the story, with the seconds since start_ns.
void control_print_line(const json_t *line, uint64_t start_ns);
