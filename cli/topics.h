// topics.h - the words of IPsec in a few lines each, for `pavise help TOPIC`. Pure data.
#pragma once

struct topic {
    const char *name;
    const char *title;
    const char *text;
    const char *command; // to try
};

extern const struct topic topics[]; // ends with a NULL name
