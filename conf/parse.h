// parse.h - files of swanctl.conf to a syntax tree, with every mistake in the grammar reported.
//
//   statements = { setting | section | "include" FILE }
//   setting    = NAME "=" [ value ]                          to the end of the line
//   section    = NAME [ ":" PATH { "," PATH } ] "{" statements "}"
#pragma once

#include "conf/tree.h"

#define PARSE_BYTES_MAX (16UL * 1024UL * 1024UL) // all files together
#define PARSE_FILES_MAX 1024                     // files included
#define PARSE_INCLUDES_MAX 10                    // files in files

struct parser {
    struct tree *tree;
    struct conf_issues *issues;
    bool may_include;
    bool unbalanced;  // a brace is missing: what stands where is a guess
    unsigned files;   // read so far
    unsigned nesting; // of includes
    unsigned blocks;  // pairs of braces seen
    size_t bytes;     // read so far
};

// Reads a file into the tree's root. Errors: ERR_NOTFOUND, ERR_PERMISSION, ERR_SYSTEM (all
// reported as an issue), ERR_LIMIT (reported), ERR_NOMEM. Mistakes in the text are no error here:
// they are in the list.
err_t parse_file(struct parser *p, const char *path);
// The same for text in memory.
err_t parse_text(struct parser *p, const char *name, span_t text);
