#include "test/fuzz/netlink_gram.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define ATTRS_MAX 12
#define FIXED_MAX 512

// ---- values: mostly from a small set, so that messages of a session speak of the same things ----

static uint16_t family_pick(struct gram *g)
{
    uint8_t d = gram_u8(g);
    if (d < 200) return d % 2 ? AF_INET6 : AF_INET;
    return d == 255 ? gram_u8(g) : AF_UNSPEC;
}

static xfrm_address_t address_pick(struct gram *g)
{
    uint8_t d = gram_u8(g);
    xfrm_address_t a = {0};
    if (d >= 240) {
        gram_bytes(g, &a, sizeof a);
    } else {
        a.a6[0] = htonl(0x0a000000U | d % 4);
        a.a6[3] = d & 0x80 ? htonl(d % 4) : 0;
    }
    return a;
}

static uint32_t spi_pick(struct gram *g)
{
    uint8_t d = gram_u8(g);
    if (d < 160) return htonl(0x100 + d % 8);
    return d < 240 ? htonl(g->spi) : htonl(gram_u32(g));
}

static uint8_t proto_pick(struct gram *g)
{
    static const uint8_t known[] = {IPPROTO_ESP,  IPPROTO_ESP, IPPROTO_ESP,     IPPROTO_AH,
                                    IPPROTO_COMP, 255,         IPPROTO_ROUTING, IPPROTO_DSTOPTS};
    uint8_t d = gram_u8(g);
    return d < 250 ? known[d % sizeof known] : gram_u8(g);
}

static uint8_t mode_pick(struct gram *g)
{
    static const uint8_t known[] = {XFRM_TUNNEL, XFRM_TRANSPORT, XFRM_BEET, XFRM_TUNNEL};
    uint8_t d = gram_u8(g);
    if (d >= 240 && d < 250) return XFRM_IPTFS;
    return d < 250 ? known[d % sizeof known] : gram_u8(g);
}

static uint64_t limit_pick(struct gram *g, uint64_t none)
{
    uint8_t d = gram_u8(g);
    if (d < 200) return none;
    return d < 240 ? d % 8 : (uint64_t)gram_u32(g) << 32 | gram_u32(g);
}

static struct xfrm_lifetime_cfg limits_pick(struct gram *g)
{
    return (struct xfrm_lifetime_cfg){
        .soft_byte_limit = limit_pick(g, UINT64_MAX),
        .hard_byte_limit = limit_pick(g, UINT64_MAX),
        .soft_packet_limit = limit_pick(g, UINT64_MAX),
        .hard_packet_limit = limit_pick(g, UINT64_MAX),
        .soft_add_expires_seconds = limit_pick(g, 0),
        .hard_add_expires_seconds = limit_pick(g, 0),
        .soft_use_expires_seconds = limit_pick(g, 0),
        .hard_use_expires_seconds = limit_pick(g, 0),
    };
}

static struct uapi_selector selector_pick(struct gram *g)
{
    struct uapi_selector s = {0};
    uint8_t d = gram_u8(g);
    s.family = family_pick(g);
    if (d % 2 == 0) {
        s.daddr = address_pick(g);
        s.saddr = address_pick(g);
        s.prefixlen_d = gram_u8(g) % 160;
        s.prefixlen_s = gram_u8(g) % 160;
    }
    if (d % 4 != 3) return s;
    s.proto = gram_u8(g);
    s.dport = (uint16_t)gram_u32(g);
    s.dport_mask = (uint16_t)gram_u32(g);
    s.ifindex = gram_u8(g);
    s.user = gram_u8(g);
    return s;
}

// ---- the fixed parts ----

static struct xfrm_usersa_info sa_pick(struct gram *g)
{
    uint8_t d = gram_u8(g);
    struct xfrm_usersa_info u = {
        .family = family_pick(g),
        .mode = mode_pick(g),
        .id = {.daddr = address_pick(g), .spi = spi_pick(g), .proto = proto_pick(g)},
        .saddr = address_pick(g),
        .replay_window = d & 1 ? gram_u8(g) : 0,
        .flags = d & 2 ? gram_u8(g) : 0,
        .seq = d & 4 ? gram_u8(g) % 4 : 0,
        .reqid = gram_u8(g) % 4,
        .lft = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0},
    };
    if (d & 8) u.lft = limits_pick(g);
    if (d & 16) u.sel = selector_pick(g);
    return u;
}

static struct xfrm_usersa_id sa_id_pick(struct gram *g)
{
    return (struct xfrm_usersa_id){.daddr = address_pick(g),
                                   .spi = spi_pick(g),
                                   .family = family_pick(g),
                                   .proto = proto_pick(g)};
}

static struct xfrm_userpolicy_info policy_pick(struct gram *g)
{
    uint8_t d = gram_u8(g);
    struct xfrm_userpolicy_info u = {
        .sel = selector_pick(g),
        .lft = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0},
        .dir = d % 4,
        .priority = gram_u8(g) % 4,
        .index = d & 4 ? gram_u8(g) : 0,
        .action = d & 8 ? gram_u8(g) % 3 : 0,
        .share = d & 16 ? gram_u8(g) % 5 : 0,
        .flags = d & 32 ? gram_u8(g) : 0,
    };
    if (d & 64) u.lft = limits_pick(g);
    return u;
}

static struct xfrm_userpolicy_id policy_id_pick(struct gram *g)
{
    uint8_t d = gram_u8(g);
    return (struct xfrm_userpolicy_id){
        .sel = selector_pick(g), .index = d & 4 ? gram_u8(g) : 0, .dir = d % 4};
}

#define PUT(...)                       \
    do {                               \
        __auto_type u = (__VA_ARGS__); \
        memcpy(to, &u, sizeof u);      \
        return sizeof u;               \
    } while (0)

static size_t fixed_other(struct gram *g, uint16_t type, uint8_t *to)
{
    switch (type) {
    case XFRM_MSG_ACQUIRE:
        PUT((struct xfrm_user_acquire){.id = {address_pick(g), spi_pick(g), proto_pick(g)},
                                       .saddr = address_pick(g),
                                       .sel = selector_pick(g),
                                       .policy = policy_pick(g),
                                       .seq = gram_u8(g)});
    case XFRM_MSG_FLUSHSA:
        PUT((struct xfrm_usersa_flush){proto_pick(g)});
    case XFRM_MSG_NEWAE:
    case XFRM_MSG_GETAE:
        PUT((struct xfrm_aevent_id){.sa_id = sa_id_pick(g),
                                    .saddr = address_pick(g),
                                    .flags = gram_u8(g),
                                    .reqid = gram_u8(g)});
    case XFRM_MSG_MIGRATE:
        PUT(policy_id_pick(g));
    case XFRM_MSG_FLUSHPOLICY:
        return 0;
    case XFRM_MSG_SETDEFAULT:
    case XFRM_MSG_GETDEFAULT:
        PUT((struct xfrm_userpolicy_default){gram_u8(g) % 4, gram_u8(g) % 4, gram_u8(g) % 4});
    default:
        PUT(gram_u32(g)); // flags of the INFO messages, nothing known otherwise
    }
}

static size_t fixed_write(struct gram *g, uint16_t type, uint8_t *to)
{
    switch (type) {
    case XFRM_MSG_NEWSA:
    case XFRM_MSG_UPDSA:
        PUT(sa_pick(g));
    case XFRM_MSG_DELSA:
    case XFRM_MSG_GETSA:
        PUT(sa_id_pick(g));
    case XFRM_MSG_ALLOCSPI:
        PUT((struct xfrm_userspi_info){sa_pick(g), gram_u32(g) % 512, gram_u32(g)});
    case XFRM_MSG_EXPIRE:
        PUT((struct xfrm_user_expire){.state = sa_pick(g), .hard = gram_u8(g) % 2});
    case XFRM_MSG_NEWPOLICY:
    case XFRM_MSG_UPDPOLICY:
        PUT(policy_pick(g));
    case XFRM_MSG_DELPOLICY:
    case XFRM_MSG_GETPOLICY:
        PUT(policy_id_pick(g));
    case XFRM_MSG_POLEXPIRE:
        PUT((struct xfrm_user_polexpire){.pol = policy_pick(g), .hard = gram_u8(g) % 2});
    default:
        return fixed_other(g, type, to);
    }
}

// ---- attributes ----

static const struct {
    const char *name;
    uint16_t type, key_bits, icv_bits;
} algs[] = {
    {"rfc4106(gcm(aes))", XFRMA_ALG_AEAD, 160, 128},
    {"rfc7539esp(chacha20,poly1305)", XFRMA_ALG_AEAD, 288, 128},
    {"rfc4309(ccm(aes))", XFRMA_ALG_AEAD, 152, 64},
    {"rfc4543(gcm(aes))", XFRMA_ALG_AEAD, 288, 128},
    {"cbc(aes)", XFRMA_ALG_CRYPT, 128, 0},
    {"ecb(cipher_null)", XFRMA_ALG_CRYPT, 0, 0},
    {"cbc(des3_ede)", XFRMA_ALG_CRYPT, 192, 0},
    {"rfc3686(ctr(aes))", XFRMA_ALG_CRYPT, 160, 0},
    {"cbc(camellia)", XFRMA_ALG_CRYPT, 256, 0},
    {"hmac(sha256)", XFRMA_ALG_AUTH_TRUNC, 256, 128},
    {"hmac(sha1)", XFRMA_ALG_AUTH, 160, 0},
    {"cmac(aes)", XFRMA_ALG_AUTH, 128, 0},
    {"xcbc(aes)", XFRMA_ALG_AUTH_TRUNC, 128, 96},
    {"hmac(sha512)", XFRMA_ALG_AUTH_TRUNC, 512, 256},
    {"sha256", XFRMA_ALG_AUTH, 256, 0},
    {"deflate", XFRMA_ALG_COMP, 0, 0},
    {"digest_null", XFRMA_ALG_AUTH, 0, 0},
    {"", XFRMA_ALG_CRYPT, 0, 0},
};

// An algorithm that fits the attribute; two decisions may lie about the lengths.
static size_t alg_write(struct gram *g, uint16_t type, uint8_t *to)
{
    bool icv = type == XFRMA_ALG_AEAD || type == XFRMA_ALG_AUTH_TRUNC;
    size_t n = sizeof algs / sizeof *algs, pick = gram_u8(g) % n;
    uint8_t d = gram_u8(g);
    while (d < 230 && algs[pick].type != type) pick = (pick + 1) % n;
    struct xfrm_algo_auth u = {.alg_key_len = algs[pick].key_bits,
                               .alg_trunc_len = algs[pick].icv_bits};
    (void)snprintf(u.alg_name, sizeof u.alg_name, "%s", algs[pick].name);
    if (d >= 240) u.alg_key_len = gram_u32(g);
    if (d >= 250) u.alg_trunc_len = gram_u32(g);
    if (d == 229) memset(u.alg_name, 'a', sizeof u.alg_name); // no end
    size_t head = icv ? sizeof u : sizeof(struct xfrm_algo), key = algs[pick].key_bits / 8U;
    memcpy(to, &u, head);
    memset(to + head, 0x42, key);
    return head + key;
}

static size_t tmpls_write(struct gram *g, uint8_t *to)
{
    size_t n = gram_u8(g) % 8;
    for (size_t i = 0; i < n; i++) {
        struct xfrm_user_tmpl u = {
            .id = {address_pick(g), 0, proto_pick(g)},
            .family = family_pick(g),
            .saddr = address_pick(g),
            .reqid = gram_u8(g) % 4,
            .mode = mode_pick(g),
            .optional = gram_u8(g) % 2,
            .aalgos = UINT32_MAX,
            .ealgos = UINT32_MAX,
            .calgos = UINT32_MAX,
        };
        memcpy(to + i * sizeof u, &u, sizeof u);
    }
    return n * sizeof(struct xfrm_user_tmpl);
}

static size_t esn_write(struct gram *g, uint8_t *to)
{
    uint8_t d = gram_u8(g);
    struct xfrm_replay_state_esn u = {.bmp_len = d % 130, .oseq = gram_u8(g), .seq = gram_u8(g)};
    u.replay_window = d % 3 ? u.bmp_len * 32 : gram_u32(g);
    if (gram_u8(g) > 250) u.bmp_len = gram_u32(g);
    if (gram_u8(g) > 200) u.seq = gram_u32(g);
    if (gram_u8(g) > 200) u.seq_hi = gram_u32(g);
    if (gram_u8(g) > 200) u.oseq_hi = gram_u32(g);
    size_t bitmap = d % 130 * sizeof(uint32_t);
    memcpy(to, &u, sizeof u);
    memset(to + sizeof u, d, bitmap);
    return sizeof u + bitmap;
}

static size_t value_more(struct gram *g, uint16_t type, uint8_t *to)
{
    switch (type) {
    case XFRMA_REPLAY_VAL:
        PUT((struct xfrm_replay_state){gram_u32(g), gram_u8(g), gram_u32(g)});
    case XFRMA_POLICY_TYPE:
        PUT((struct xfrm_userpolicy_type){.type = gram_u8(g) % 3});
    case XFRMA_ADDRESS_FILTER:
        PUT((struct xfrm_address_filter){address_pick(g), address_pick(g), family_pick(g),
                                         gram_u8(g) % 160, gram_u8(g) % 160});
    case XFRMA_OFFLOAD_DEV:
        PUT((struct xfrm_user_offload){gram_u8(g), gram_u8(g)});
    case XFRMA_MIGRATE:
        PUT((struct xfrm_user_migrate){.old_daddr = address_pick(g),
                                       .old_saddr = address_pick(g),
                                       .new_daddr = address_pick(g),
                                       .new_saddr = address_pick(g),
                                       .proto = proto_pick(g),
                                       .mode = mode_pick(g),
                                       .reqid = gram_u8(g) % 4,
                                       .old_family = family_pick(g),
                                       .new_family = family_pick(g)});
    case UAPI_IPTFS_DONT_FRAG:
        return 0;
    case UAPI_IPTFS_REORDER_WINDOW:
        PUT((uint16_t)(gram_u8(g)));
    case XFRMA_PROTO:
    case UAPI_SA_DIR:
        PUT((uint8_t)(gram_u8(g) % 4));
    default:
        PUT(gram_u32(g) % 512);
    }
}

static size_t value_write(struct gram *g, uint16_t type, uint8_t *to)
{
    switch (type) {
    case XFRMA_ALG_AEAD:
    case XFRMA_ALG_CRYPT:
    case XFRMA_ALG_AUTH:
    case XFRMA_ALG_AUTH_TRUNC:
    case XFRMA_ALG_COMP:
        return alg_write(g, type, to);
    case XFRMA_TMPL:
        return tmpls_write(g, to);
    case XFRMA_REPLAY_ESN_VAL:
        return esn_write(g, to);
    case XFRMA_ENCAP:
        PUT((struct xfrm_encap_tmpl){.encap_type = gram_u8(g) % 8,
                                     .encap_sport = (uint16_t)gram_u32(g),
                                     .encap_dport = (uint16_t)gram_u32(g),
                                     .encap_oa = address_pick(g)});
    case XFRMA_MARK:
        PUT((struct uapi_mark){gram_u8(g), gram_u8(g)});
    case XFRMA_LTIME_VAL:
        PUT((struct xfrm_lifetime_cur){gram_u32(g), gram_u32(g), gram_u32(g), gram_u32(g)});
    case XFRMA_SRCADDR:
        PUT(address_pick(g));
    default:
        return value_more(g, type, to);
    }
}

static size_t aligned(size_t n)
{
    return (n + 3) / 4 * 4;
}

// Older seeds mean what they meant, but for those of mode iptfs.
static uint16_t type_pick(struct gram *g, uint8_t d)
{
    if (d < 216) return d % (UAPI_SA_PCPU + 1);
    return d < 240 ? (uint16_t)(UAPI_IPTFS_DROP_TIME + d % 6) : (uint16_t)gram_u32(g);
}

// One attribute at `to`; returns its bytes with padding, 0 when it has no room.
static size_t attr_write(struct gram *g, uint8_t *to, size_t room)
{
    uint8_t value[1024], d = gram_u8(g);
    struct nlattr a = {.nla_type = type_pick(g, d)};
    size_t n = value_write(g, a.nla_type & 0x3fff, value);
    uint8_t lie = gram_u8(g);
    if (lie >= 240 && n > 0) n -= 1 + gram_u8(g) % n; // too short, truly
    if (sizeof a + aligned(n) > room) return 0;
    a.nla_len = (uint16_t)(sizeof a + n);
    if (lie >= 230 && lie < 240) a.nla_len = (uint16_t)gram_u32(g); // only said
    memcpy(to, &a, sizeof a);
    memset(to + sizeof a, 0, aligned(n));
    memcpy(to + sizeof a, value, n);
    return sizeof a + aligned(n);
}

// ---- a message ----

size_t gram_message(struct gram *g, void *buf, uint32_t seq)
{
    struct nlmsghdr *h = buf;
    uint8_t *at = buf, d = gram_u8(g), flaws = gram_u8(g);
    size_t n = NLMSG_HDRLEN;
    memset(at, 0, NLMSG_HDRLEN + FIXED_MAX);
    h->nlmsg_type = (uint16_t)(XFRM_MSG_BASE + d % (XFRM_MSG_MAX - XFRM_MSG_BASE + 3));
    h->nlmsg_flags = (uint16_t)(flaws == 255 ? gram_u32(g) : NLM_F_REQUEST);
    if (flaws & 1) h->nlmsg_flags |= NLM_F_ACK;
    if ((flaws & 0x0e) == 0x0e) h->nlmsg_flags |= NLM_F_DUMP;
    h->nlmsg_seq = seq;
    size_t fixed = fixed_write(g, h->nlmsg_type, at + n);
    if (flaws >= 192) gram_spoil(g, at + n, fixed, 3);
    n += NLMSG_ALIGN(fixed);
    for (unsigned i = gram_u8(g) % ATTRS_MAX; i > 0; i--) {
        n += attr_write(g, at + n, GRAM_MESSAGE_MAX - n);
    }
    h->nlmsg_len = (uint32_t)n;
    if (flaws >= 160 && flaws < 176) h->nlmsg_len = (uint32_t)(NLMSG_HDRLEN + gram_u8(g) % n);
    if (flaws >= 176 && flaws < 180) h->nlmsg_len = gram_u32(g); // a lie
    return h->nlmsg_len < n && h->nlmsg_len >= NLMSG_HDRLEN ? h->nlmsg_len : n;
}
