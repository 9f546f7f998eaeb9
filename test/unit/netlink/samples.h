// samples.h - an SA and a policy in which every field differs from every other.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "netlink/uapi.h"

static inline ip_t sample_ip(const char *s)
{
    ip_t a = {0};
    if (ip_parse(s, &a) != ERR_OK) abort();
    return a;
}

static inline struct xfrm_alg sample_alg(const char *name, uint16_t bits, uint16_t icv,
                                         uint8_t byte)
{
    struct xfrm_alg a = {.key_bits = bits, .icv_bits = icv};
    memcpy(a.name, name, strlen(name));
    memset(a.key, byte, bits / 8);
    return a;
}

static inline struct xfrm_lifetime sample_limit(uint64_t from)
{
    return (struct xfrm_lifetime){from + 1, from + 2, from + 3, from + 4,
                                  from + 5, from + 6, from + 7, from + 8};
}

static inline struct xfrm_selector sample_sel(void)
{
    return (struct xfrm_selector){.family = AF_INET,
                                  .src = {sample_ip("10.1.0.0"), 16},
                                  .dst = {sample_ip("10.2.3.0"), 24},
                                  .sport = 1001,
                                  .sport_mask = 0xfffe,
                                  .dport = 1003,
                                  .dport_mask = 0xfffd,
                                  .proto = 17,
                                  .ifindex = 5,
                                  .user = 6};
}

// ESP with CBC and HMAC; sample_sa_aead() has GCM and an extended replay window.
static inline struct xfrm_sa sample_sa(void)
{
    struct xfrm_sa sa = {.sel = sample_sel(),
                         .saddr = sample_ip("192.0.2.1"),
                         .daddr = sample_ip("198.51.100.1"),
                         .spi = 0xc0ffee01,
                         .proto = XFRM_PROTO_ESP,
                         .mode = XFRM_TUNNEL,
                         .family = AF_INET,
                         .reqid = 11,
                         .seq = 12,
                         .flags = XFRM_STATE_NOECN | XFRM_STATE_DECAP_DSCP,
                         .extra_flags = 3,
                         .limit = sample_limit(100),
                         .stats = {31, 32, 33},
                         .crypt = sample_alg("cbc(aes)", 128, 0, 0x21),
                         .auth = sample_alg("hmac(sha256)", 256, 128, 0x22),
                         .encap = {2, 4500, 4501, sample_ip("203.0.113.9")},
                         .mark = {0x41, 0xff},
                         .output_mark = {0x42, 0x1ff},
                         .output_mark_mask_given = true,
                         .if_id = 43,
                         .tfcpad = 44,
                         .pcpu = UINT32_MAX};
    sa.current = (struct xfrm_current){21, 22, 23, 24};
    sa.auth.trunc_given = true;
    sa.replay.window = 32;
    sa.replay.out_seq = 51;
    sa.replay.in_seq = 52;
    sa.replay.bitmap[0] = 0x53;
    return sa;
}

static inline struct xfrm_sa sample_sa_aead(void)
{
    struct xfrm_sa sa = {.saddr = sample_ip("2001:db8::1"),
                         .daddr = sample_ip("2001:db8::2"),
                         .spi = 0x100,
                         .proto = XFRM_PROTO_ESP,
                         .mode = XFRM_TUNNEL,
                         .family = AF_INET6,
                         .flags = XFRM_STATE_ESN,
                         .aead = sample_alg("rfc4106(gcm(aes))", 160, 128, 0x23),
                         .pcpu = UINT32_MAX};
    xfrm_selector_any(&sa.sel, AF_INET6);
    sa.replay.esn_given = true;
    sa.replay.window = XFRM_REPLAY_MAX;
    sa.replay.out_seq = 0x100000002;
    sa.replay.in_seq = 0x300000004;
    for (unsigned i = 0; i < XFRM_REPLAY_MAX / 32; i++) sa.replay.bitmap[i] = i + 1;
    return sa;
}

static inline struct xfrm_tmpl sample_tmpl(uint32_t reqid)
{
    return (struct xfrm_tmpl){.saddr = sample_ip("192.0.2.1"),
                              .daddr = sample_ip("198.51.100.1"),
                              .spi = 61,
                              .proto = XFRM_PROTO_ESP,
                              .mode = XFRM_TUNNEL,
                              .family = AF_INET,
                              .reqid = reqid,
                              .share = 1,
                              .aalgos = 62,
                              .ealgos = 63,
                              .calgos = 64};
}

static inline struct xfrm_policy sample_policy(void)
{
    struct xfrm_policy p = {.sel = sample_sel(),
                            .dir = XFRM_OUT,
                            .action = XFRM_ALLOW,
                            .flags = 1,
                            .type = 1,
                            .priority = 72,
                            .index = 73 << 3 | XFRM_OUT,
                            .limit = sample_limit(200),
                            .mark = {0x74, 0x7f},
                            .if_id = 75,
                            .tmpl_count = 2};
    p.current = (struct xfrm_current){81, 82, 83, 84};
    p.tmpl[0] = sample_tmpl(91);
    p.tmpl[1] = sample_tmpl(92);
    p.tmpl[1].optional = 0;
    return p;
}
