// Built where libipsec-mb does not exist: a provider that can nothing.
#include "crypto/provider.h"

static bool absent_can(const struct sealer_plan *plan)
{
    (void)plan;
    return false;
}

const struct provider provider_ipsecmb = {.name = "ipsecmb", .can = absent_can};
