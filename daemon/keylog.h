// keylog.h - session keys for Wireshark's own tables (ikev2_decryption_table, esp_sa). Whoever
// reads these files reads all traffic: only on the user's explicit wish, mode 0600.
#pragma once

#include "base/err.h"

struct keylog;

// dir must exist. Errors: ERR_NOTFOUND, ERR_SYSTEM, ERR_NOMEM, with a sentence.
err_t keylog_open(const char *dir, struct keylog **out, struct why *why);
void keylog_close(struct keylog *k); // NULL is fine
// Appends a line to one of the two files; others are refused. Errors are logged, once.
void keylog_line(struct keylog *k, const char *file, const char *line);
