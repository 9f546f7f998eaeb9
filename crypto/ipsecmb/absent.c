// Built where libipsec-mb does not exist: providers that can do nothing.
#include "crypto/provider.h"

static bool absent_can(const struct sealer_plan *plan)
{
    (void)plan;
    return false;
}

const struct provider provider_ipsecmb_aead = {.name = "ipsecmb", .can = absent_can};
const struct provider provider_ipsecmb_ccm = {.name = "ipsecmb", .can = absent_can};
const struct provider provider_ipsecmb_pair = {.name = "ipsecmb", .can = absent_can};
