// alg_tab.h - the data behind alg.h. Only alg.c reads it.
#pragma once

#include "crypto/alg.h"

// Another word for an entry of alg_table, which is named by its keyword.
struct alg_alias {
    uint8_t type; // enum alg_type
    const char *alias, *keyword;
};

// A transform that Pavise does not do but that peers offer: a number and what to call it.
struct alg_label {
    uint8_t type;
    uint16_t id;
    const char *name;
};

// An algorithm that the kernel has and that is left out on purpose.
struct alg_refused {
    const char *kernel, *why;
};

// All end with an entry of type 0, alg_words and alg_refusals with NULL.
extern const struct alg alg_table[];
extern const struct alg_alias alg_aliases[];        // swanctl.conf
extern const struct alg_alias alg_kernel_aliases[]; // `ip xfrm`
extern const struct alg_label alg_labels[];
extern const struct alg_refused alg_refusals[];
extern const char *const alg_words[]; // every keyword and alias
