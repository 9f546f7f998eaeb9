// lex.h - the words of swanctl.conf (strongswan.conf(5), SYNTAX). Three modes, because a value runs
// to the end of its line and a file name is neither value nor name.
#pragma once

#include "base/arena.h"
#include "conf/config.h"
#include "conf/source.h"

enum lex_kind {
    LEX_END, // of the file
    LEX_NAME,
    LEX_OPEN,   // {
    LEX_CLOSE,  // }
    LEX_EQUALS, // =
    LEX_COLON,  // :
    LEX_COMMA,  // ,
    LEX_QUOTE,  // " where no value is
};

struct lex_token {
    enum lex_kind kind;
    struct place at;
    const char *text; // as written; in the arena, or static
};

// A value after unquoting: text[i] was read at byte pos[i] of src; pos[len] is where it ended.
struct value {
    const struct source *src; // NULL: a built-in default
    const char *text;         // terminated; "" = unset
    const uint32_t *pos;      // NULL: all of it stands at byte 0
    size_t len;
    bool quoted; // at least a part was
    bool bad;    // a mistake in it was reported already
};

struct lexer {
    const struct source *src;
    size_t at;      // next byte
    size_t line_at; // where the line of the last token begins
    size_t indent;  // blanks before its first token
    bool new_line;  // no token of this line was read yet
    struct arena *arena;
    struct conf_issues *issues;
};

// The next word; blanks, newlines and comments are skipped. Names may hold dots (references do).
struct lex_token lex_next(struct lexer *lx);
// The rest of a setting after '=': up to the end of the line, '#' or '}'; quoted parts may hold
// anything. Blanks between parts become one blank. ERR_NOMEM.
err_t lex_value(struct lexer *lx, struct value *out);
// Leaves the rest of the line unread.
void lex_skip_line(struct lexer *lx);
// The name "include" was read: does a file name follow (and not '=' or '{')?
bool lex_file_follows(const struct lexer *lx);
// A file name or pattern, quoted or with escaped blanks. ERR_NOMEM.
err_t lex_file(struct lexer *lx, struct value *out);

// The place of byte i of a value.
struct place value_place(const struct value *v, size_t i);
