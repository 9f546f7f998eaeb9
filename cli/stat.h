// stat.h - the counters of pavise-xfrmd: a JSON document on a Unix socket of its own.
#pragma once

#include <jansson.h>

#include "base/err.h"

#define STAT_SOCKET "@pavise-xfrm-stat" // abstract: one per network namespace
#define STAT_MAX (1024 * 1024)          // bytes; a document is some 10 KiB

// A socket of pavise-xfrmd that goes by this name, connected; SOCK_STREAM, SOCK_DGRAM (with a name
// of its own, for the answer) or SOCK_SEQPACKET. ERR_NOTFOUND: nobody listens. ERR_PERMISSION,
// ERR_SYSTEM, ERR_RANGE.
err_t stat_connect(const char *name, int type, int *out, struct why *why);

// Errors: ERR_NOTFOUND (not running), ERR_PERMISSION, ERR_SYSTEM, ERR_SYNTAX, with a sentence.
err_t stat_fetch(const char *name, json_t **out, struct why *why);
// Asks the datagram socket of pavise-xfrmd that goes by this name. Errors as above; ERR_TIMEOUT:
// no answer, which is what others than root get.
err_t stat_ask(const char *name, const char *question, json_t **out, struct why *why);
// For people: drops by their name, ports, the database.
void stat_print(const json_t *stat);
