// page.h - text that fits the terminal: how wide it is, and lines that break between words.
#pragma once

// Columns of stdout: the terminal's, or COLUMNS; 100 where neither says anything.
unsigned page_width(void);
// Prints `text` from column `indent` on, broken between words so that it ends before the width; the
// first line has `mark` in front, within the indent. A newline ends it.
void page_print(unsigned indent, const char *mark, const char *text);
