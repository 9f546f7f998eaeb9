// act.h - what up and down have in common: options, the story, the outcome.
#pragma once

#include "cli/control.h"

#define ACT_OPTIONS                                                                   \
    {"--timeout", "SECONDS", "give up waiting (the daemon goes on); default: never"}, \
        {"--quiet", NULL, "no story, only errors"}, OPTION_JSON, OPTION_SOCKET

// Connects; checks --timeout first. NULL: said why.
struct vici_client *act_open(const struct args *a);
// Does it for each name of the command line. Exit status.
int act_each(const struct args *a,
             bool (*one)(struct vici_client *c, const struct args *a, const char *name));
// Runs the command, with the options, and says how it ended ("net-net is up"). true: it worked.
bool act_run(struct vici_client *c, const struct args *a, struct control_act *act,
             const char *done);
