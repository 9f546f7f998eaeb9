// decode.h - how `pavise decode` prints what see/ says. Between its two files only.
#pragma once

#include <jansson.h>

void decode_event(const json_t *event);
void decode_summary(const json_t *summary);
