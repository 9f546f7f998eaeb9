#include "ike/auth/note.h"

#include <string.h>

#include "base/siphash.h"

bool note_is_news(struct notes *n, const uint8_t who[NOTE_WHO_LEN], const char *text)
{
    uint64_t what = *text ? siphash(who, text, strlen(text)) | 1 : 0;
    for (unsigned i = 0; i < NOTES_MAX; i++) {
        if (!n->at[i].what || memcmp(n->at[i].who, who, NOTE_WHO_LEN) != 0) continue;
        bool same = n->at[i].what == what;
        n->at[i].what = what;
        return !same && what;
    }
    if (!what) return false;
    memcpy(n->at[n->next].who, who, NOTE_WHO_LEN);
    n->at[n->next].what = what;
    n->next = (n->next + 1) % NOTES_MAX;
    return true;
}
