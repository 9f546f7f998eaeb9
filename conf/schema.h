// schema.h - from syntax tree to typed settings by tables. One table per kind of section: every key
// that strongSwan 6 documents stands in one, with its type, its default and where it goes; or with
// the reason why it is not supported yet and the values that mean what happens anyway.
#pragma once

#include "conf/config.h"
#include "conf/tree.h"

// A file that a setting names; creds_load() reads it.
enum wanted_kind { WANTED_CERT, WANTED_CACERT, WANTED_PUBKEY, WANTED_AUTHORITY };
struct wanted {
    struct wanted *next;
    enum wanted_kind kind;
    void *whose; // struct conf_side, struct cred_authority
    const char *name;
    struct place at;
};
// The secret of a file in one of the folders of keys.
struct passphrase {
    struct passphrase *next;
    const char *folder, *file;
    span_t secret;
    struct place at; // of the file's name
    bool used;
};

// One config_load().
struct load {
    struct tree *tree;
    struct conf_issues *issues;
    struct config *out;
    struct origin *origin; // of out->conn[i]: where checks across keys point to
    const char *folder;    // of the configuration, without the last slash; NULL: no files are read
    struct wanted *wanted, **wanted_end;
    struct passphrase *passphrases;
    bool loose;         // what is missing may still come: it came in pieces (build.h)
    const span_t *blob; // ... with these files in it, named "#0", "#1", ...; NULL: none
    unsigned blob_n;
    bool nomem;
};
// Notes a file that is wanted.
void load_want(struct load *ld, enum wanted_kind kind, void *whose, const char *name,
               struct place at);

// The sections that a connection was read from.
struct origin {
    const struct node *conn;
    const struct node *local[CONF_SIDES_MAX], *remote[CONF_SIDES_MAX]; // by rounds; NULL: no more
    const struct node **child;
};

struct key;
struct arg { // one setting on its way into its field
    struct load *ld;
    const struct key *key;
    const struct value *v; // not empty
    void *to;
    const char *written; // the key as it stands there, where the table has a pattern
};
typedef void key_set_fn(const struct arg *a); // reports what is wrong; sets only what is right

// A word and what it means. A negative number: known to strongSwan, refused with the remark.
struct word {
    const char *word;
    int means;
    const char *remark; // with a meaning: a warning
};

struct key {
    const char *name; // a trailing '*' stands for any rest
    key_set_fn *set;  // NULL: known, but not supported
    size_t to;        // offset in the section's struct
    const char *dflt; // as it would be written; NULL: the field stays zero
    const struct word *words;
    // Not supported (set == NULL):
    const char *fine; // values that mean what we do anyway, separated by blanks; "*" = any
    const char *mild; // values that get a warning and no error
    const char *note; // why other values are refused
    const char
        *hint; // ... and what to do; NULL: the value can go, or be one of those that are fine
};

#define KEY(key, setter, type, field, value)                                                \
    {                                                                                       \
        .name = (key), .set = (setter), .to = offsetof(struct type, field), .dflt = (value) \
    }
#define KEY_WORD(key, list, type, field, value)                                              \
    {                                                                                        \
        .name = (key), .set = set_word, .to = offsetof(struct type, field), .dflt = (value), \
        .words = (list)                                                                      \
    }
#define KEY_NOT(key, fine_values, reason)                      \
    {                                                          \
        .name = (key), .fine = (fine_values), .note = (reason) \
    }

#define KEY_REFUSED(key, fine_values, reason, remedy)                            \
    {                                                                            \
        .name = (key), .fine = (fine_values), .note = (reason), .hint = (remedy) \
    }

struct schema;
typedef void section_fn(struct load *ld, const struct node *n, void *to);
struct inside { // a section that may stand in a section
    const char *name;
    section_fn *read;            // NULL: known, but not supported
    const struct schema *schema; // what it may hold
    const char *note;            // why it is refused
};

struct schema {
    const char *what;            // "a connection"
    const char *where;           // "connections.<conn>"
    const struct key *keys;      // ends with a NULL name
    const struct inside *inside; // ends with a NULL name; may be NULL
};

extern const struct schema schema_top, schema_conn, schema_local, schema_remote, schema_child;
extern const struct schema schema_ike_secret, schema_own, schema_authorities;

// Types every setting of a section, then gives the keys that were not written their defaults, then
// reads the sections in it. `to` is the struct that the offsets count in.
void schema_read(struct load *ld, const struct schema *s, const struct node *n, void *to);
// The setting if it was written and not cleared; else NULL.
const struct setting *schema_written(struct load *ld, const struct node *n, const char *key);
// The place of a setting, or that of its section's name if it has its default.
struct place schema_place(struct load *ld, const struct node *n, const char *key);
// Does strongSwan know "connections.<conn>.version"? (for tests and hints)
bool schema_knows(const char *path);
