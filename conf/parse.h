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
    bool unbalanced;  // a brace is missing: nothing is loaded
    bool flat;        // ... and no indentation says where: what stands where is not known
    bool guess;       // this is the second look, by indentation
    unsigned files;   // read so far
    unsigned nesting; // of includes
    unsigned blocks;  // pairs of braces seen
    size_t bytes;     // read so far
    const char *open[PARSE_INCLUDES_MAX + 1]; // whole paths of the files being read, by nesting
    uint64_t odd[PARSE_FILES_MAX / 64];       // bit per file: its braces do not balance
};

// Reads a file (may_include) or a text in memory into the tree, which was empty, as was the list.
// Where braces do not balance, it is read again, and indentation says where sections end, so that
// whatever else is wrong can be found in the same run. Errors: ERR_NOTFOUND, ERR_PERMISSION,
// ERR_SYSTEM (all reported as an issue), ERR_LIMIT (reported), ERR_NOMEM. Mistakes in the text are
// no error here: they are in the list.
err_t parse_all(struct parser *p, const char *name, span_t text);
