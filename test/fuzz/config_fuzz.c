// Any text either loads or is refused with at least one located mistake; nothing is half-loaded.
#include <stddef.h>
#include <stdint.h>

#include "conf/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    struct config *c = NULL;
    struct conf_issues issues = {0};
    err_t e = config_load_text("fuzz", span(in, n), &c, &issues);
    if ((e == ERR_OK) != (c != NULL)) __builtin_trap();
    if ((e == ERR_OK) != (issues.errors == 0)) __builtin_trap();
    for (unsigned i = 0; i < issues.n; i++) {
        if (!issues.issue[i].what || !issues.issue[i].line) __builtin_trap();
    }
    config_free(c);
    conf_issues_done(&issues);
    return 0;
}
