#include "netlink/bypass.h"

#include <errno.h>

#include "netlink/uapi.h"

err_t netlink_bypass(int fd, uint16_t family)
{
    const int level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    const int option = family == AF_INET6 ? IPV6_XFRM_POLICY : IP_XFRM_POLICY;
    struct xfrm_userpolicy_info allow = {.sel.family = family, .action = XFRM_POLICY_ALLOW};
    for (uint8_t dir = XFRM_POLICY_IN; dir <= XFRM_POLICY_OUT; dir++) {
        allow.dir = dir;
        if (setsockopt(fd, level, option, &allow, sizeof allow) == 0) continue;
        if (errno == ENOPROTOOPT || errno == EOPNOTSUPP) return ERR_UNSUPPORTED;
        return errno == EPERM ? ERR_PERMISSION : ERR_SYSTEM;
    }
    return ERR_OK;
}
