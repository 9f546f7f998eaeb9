// story.h - what has been told, kept for those who ask afterwards (`pavise log`): the last lines,
// bounded in number and in bytes. One thread: the event loop's.
#pragma once

#include <stdbool.h>

#include "base/addr.h"

#define STORY_LINES 4096            // some days of a quiet gateway, minutes of a busy one
#define STORY_BYTES (1024UL * 1024) // of text in all
#define STORY_LINE_MAX 4096         // bytes of a line; longer ones are cut

struct story;
struct story_line {
    uint64_t number;    // from 1 on; story_add() sets it
    uint64_t at_ms;     // since 1970
    const char *group;  // "IKE"; of a static string
    unsigned level;     // as VICI has it
    const char *name;   // connection; "" while it is not known, or where it is about none
    uint32_t sa;        // id of the IKE SA; 0: about none
    ip_t local, remote; // its ends
    const char *text;
};

struct story *story_new(void); // NULL: out of memory
void story_free(struct story *s);
// Copies the line; the oldest make room for it. Out of memory: it is left out.
void story_add(struct story *s, const struct story_line *l);

// What concerns a connection: its own lines, those told of an IKE SA before it was known whose it
// is, and those of an IKE SA that never became anybody's but came from where this peer may be.
struct story_wish {
    const char *name; // NULL: everything
    // Might the IKE SA at these addresses be of that connection?
    bool (*fits)(void *ctx, const ip_t *local, const ip_t *remote);
    void *ctx;
    uint64_t after; // the number of the last line that is not wanted
};
// Oldest first; fn returning false ends it. Lines are valid during the call.
void story_each(const struct story *s, const struct story_wish *w,
                bool (*fn)(void *ctx, const struct story_line *l), void *ctx);
