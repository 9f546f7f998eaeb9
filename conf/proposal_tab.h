// proposal_tab.h - what "default" stands for, and algorithms that strongSwan knows and we do not.
#pragma once

// Proposals, NULL-terminated; the best first.
extern const char *const proposal_ike_default[], *const proposal_esp_default[];
extern const char *const proposal_ah_default[];

struct proposal_unknown {
    const char *keyword; // a trailing '*' stands for any rest
    const char *why;
};
extern const struct proposal_unknown proposal_unknowns[]; // ends with NULL
