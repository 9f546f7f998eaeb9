// note.h - reservations about peers' certificates ("whether it was revoked is unknown: ..."): told
// when they are new or have changed, and not every time that the peer comes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOTES_MAX 256   // certificates; the one that was noted first is forgotten for one more
#define NOTE_WHO_LEN 20 // SHA-1 of a certificate

struct notes {
    unsigned next;
    struct {
        uint8_t who[NOTE_WHO_LEN];
        uint64_t what; // a hash; 0: free
    } at[NOTES_MAX];
};

// text: "" forgets what was noted. true: it is to be told.
bool note_is_news(struct notes *n, const uint8_t who[NOTE_WHO_LEN], const char *text);
