// trace_write.h - pavise trace --write: plain and protected packets side by side in a pcapng file,
// and the keys of the SAs for Wireshark, where they are asked for.
#pragma once

#include <jansson.h>

#include "cli/args.h"

#define TRACE_FILE_BYTES_MAX 16384 // of a packet; longer ones are cut

struct trace_file;

// By --write, --keys and --socket. *out is NULL without --write. False: said why.
bool trace_file_open(const struct args *a, struct trace_file **out);
void trace_file_close(struct trace_file *f); // NULL is fine
// False: said why; nothing more is to be written.
bool trace_file_add(struct trace_file *f, const json_t *record);
