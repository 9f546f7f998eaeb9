// heard.h - what the code under test says into the log, for a test that looks for words in it.
#pragma once

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "test/check.h"

static char heard_text[1 << 16];

static void heard_line(void *ctx, enum log_level level, const char *subject, const char *line)
{
    (void)ctx, (void)level, (void)subject;
    size_t len = strlen(heard_text);
    (void)snprintf(heard_text + len, sizeof heard_text - len, "%s\n", line);
}

// From here on; what was said before is forgotten.
static inline void heard_begin(void)
{
    log_remove_sink(heard_line, NULL);
    heard_text[0] = 0;
    log_add_sink(heard_line, NULL);
}

static inline void heard(const char *words)
{
    if (!strstr(heard_text, words)) fail_msg("not told: %s\n%s", words, heard_text);
}

static inline void not_heard(const char *words)
{
    if (strstr(heard_text, words)) fail_msg("told: %s\n%s", words, heard_text);
}
