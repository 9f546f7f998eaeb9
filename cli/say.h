// say.h - sentences on stderr: what went wrong, and what to do about it.
#pragma once

void say_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void say_hint(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
