// uapi.h - <linux/xfrm.h> beside xfrm/xfrm.h. Both call three structs by the same name; the
// kernel's get the prefix uapi_ here. Include this instead of <linux/xfrm.h>.
#pragma once

#include <netinet/in.h> // before the kernel's own definitions of the same addresses

#define xfrm_selector uapi_selector
#define xfrm_stats uapi_stats
#define xfrm_mark uapi_mark
#include <linux/xfrm.h>
#undef xfrm_selector
#undef xfrm_stats
#undef xfrm_mark
#undef XFRM_INF
#define XFRM_INF UINT64_MAX

#include "xfrm/xfrm.h"

// Attributes younger than the headers this is built with (Linux 6.10 and 6.13).
#define UAPI_SA_DIR 33        // uint8_t: 1 in, 2 out
#define UAPI_NAT_KEEPALIVE 34 // uint32_t seconds
#define UAPI_SA_PCPU 35       // uint32_t
#define UAPI_ATTR_MAX UAPI_SA_PCPU
