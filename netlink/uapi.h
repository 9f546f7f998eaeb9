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

// Attributes and a mode younger than the headers this is built with (Linux 6.10, 6.13 and 6.14).
#define UAPI_SA_DIR 33        // uint8_t: 1 in, 2 out
#define UAPI_NAT_KEEPALIVE 34 // uint32_t seconds
#define UAPI_SA_PCPU 35       // uint32_t
// Of mode iptfs (RFC 9347), see struct xfrm_iptfs.
#define UAPI_IPTFS_DROP_TIME 36      // in: uint32_t microseconds
#define UAPI_IPTFS_REORDER_WINDOW 37 // in: uint16_t packets
#define UAPI_IPTFS_DONT_FRAG 38      // out: a flag, without a value
#define UAPI_IPTFS_INIT_DELAY 39     // out: uint32_t microseconds
#define UAPI_IPTFS_MAX_QSIZE 40      // out: uint32_t bytes
#define UAPI_IPTFS_PKT_SIZE 41       // out: uint32_t bytes
#define UAPI_ATTR_MAX UAPI_IPTFS_PKT_SIZE
#define UAPI_MODE_MAX (XFRM_IPTFS + 1)
