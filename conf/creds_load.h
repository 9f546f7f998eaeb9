// creds_load.h - the parts of reading certificates and keys (creds.h), inside conf/ only.
#pragma once

#include "conf/creds.h"
#include "conf/schema.h"

#define CREDS_FOLDER_MAX 4096 // files of one folder; those beyond are not read

// Makes out->creds from what settings have asked for and what lies in the folders, and gives every
// side its part. Without ld->folder nothing is read.
void creds_load(struct load *ld);

// creds_read.c: folders and files. Mistakes are reported; what cannot be read is left out.
void creds_read_folders(struct load *ld, struct creds *c);
void creds_read_wanted(struct load *ld, struct creds *c);
// creds_own.c: which certificates have a key here, and their chains.
void creds_match(struct load *ld, struct creds *c);
// creds_trust.c: whom to believe.
void creds_trust(struct load *ld, struct creds *c);
// creds_check.c: what connections need and do not have.
void creds_check(struct load *ld, const struct creds *c);

// One element more at the end of a list, zeroed, in the arena of c. NULL: out of memory, noted.
#define CREDS_APPEND(ld, c, list)                                     \
    ({                                                                \
        __typeof__(list) *end_ = &(list);                             \
        while (*end_) end_ = &(*end_)->next;                          \
        __typeof__(list) new_ = arena_get(&(c)->arena, sizeof *new_); \
        if (!new_) (ld)->nomem = true;                                \
        *end_ = new_;                                                 \
        new_;                                                         \
    })
