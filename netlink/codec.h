// codec.h - struct xfrm_* of xfrm/xfrm.h <-> the messages of <linux/xfrm.h>, both directions.
//
// Every message is a netlink header, one fixed struct, and attributes (attr.h):
//
// +----------------+---------------------------+-------------+-------------+---
// | nlmsghdr, 16 B | xfrm_usersa_info or       | attribute   | attribute   | ...
// | length, type,  | xfrm_userpolicy_info or   | XFRMA_ALG_* | XFRMA_ENCAP |
// | flags, seq, pid| ..., padded to 4          |             |             |
// +----------------+---------------------------+-------------+-------------+---
//
// *_write appends to a message just started (message.h); attribute order and presence are those of
// net/xfrm/xfrm_user.c in Linux 6.1, so that a dump is the kernel's byte for byte. *_read takes a
// whole message (4-byte aligned, nlmsg_len bytes long) and borrows nothing.
// Errors of *_read: ERR_SYNTAX, ERR_SHORT, ERR_RANGE, ERR_ALGORITHM (an algorithm without a name),
// each with a sentence in `why` (may be NULL). All functions are pure.
#pragma once

#include "netlink/attr.h"
#include "netlink/message.h"
#include "netlink/uapi.h"

// ---- SAs (codec_sa.c) ----
// NEWSA, UPDSA.
void codec_sa_write(struct message *m, const struct xfrm_sa *sa);
err_t codec_sa_read(const struct nlmsghdr *h, struct xfrm_sa *out, struct why *why);
// The same with the kernel's judgement on requests: which attributes a protocol needs and
// refuses, ESN and replay window, mode. Fills in what the kernel fills in.
err_t codec_sa_request_read(const struct nlmsghdr *h, struct xfrm_sa *out, struct why *why);
// DELSA as a notification: the SA's identity in front, all of it behind.
void codec_sa_gone_write(struct message *m, const struct xfrm_sa *sa);
err_t codec_sa_gone_read(const struct nlmsghdr *h, struct xfrm_sa *out, struct why *why);
// GETSA, DELSA.
void codec_sa_id_write(struct message *m, const struct xfrm_sa_id *id);
err_t codec_sa_id_read(const struct nlmsghdr *h, struct xfrm_sa_id *out, struct why *why);
// ALLOCSPI.
void codec_spi_write(struct message *m, const struct xfrm_sa *like, uint32_t min, uint32_t max);
err_t codec_spi_read(const struct nlmsghdr *h, struct xfrm_sa *like, uint32_t *min, uint32_t *max,
                     struct why *why);
// EXPIRE, request and notification.
void codec_expire_write(struct message *m, const struct xfrm_sa *sa, bool hard);
err_t codec_expire_read(const struct nlmsghdr *h, struct xfrm_sa *out, bool *hard, struct why *why);
// NEWAE with the given XFRM_AE_* flags; GETAE names an SA and the flags.
void codec_ae_write(struct message *m, const struct xfrm_sa *sa, uint32_t flags);
err_t codec_ae_read(const struct nlmsghdr *h, struct xfrm_sa *out, uint32_t *flags,
                    struct why *why);
// The SA that NEWAE or GETAE names, and the XFRM_AE_* flags.
err_t codec_ae_id_read(const struct nlmsghdr *h, struct xfrm_sa_id *id, uint32_t *flags,
                       struct why *why);
// NEWAE as a request: what it gives, and what the kernel demands of it.
void codec_ae_request_write(struct message *m, const struct xfrm_ae *ae);
err_t codec_ae_request_read(const struct nlmsghdr *h, struct xfrm_ae *out, struct why *why);
// The identity of an SA.
struct xfrm_sa_id codec_sa_id(const struct xfrm_sa *sa);

// ---- policies (codec_policy.c) ----
// NEWPOLICY, UPDPOLICY.
void codec_policy_write(struct message *m, const struct xfrm_policy *p);
err_t codec_policy_read(const struct nlmsghdr *h, struct xfrm_policy *out, struct why *why);
// DELPOLICY as a notification; by_index tells how the request had named it.
void codec_policy_gone_write(struct message *m, const struct xfrm_policy *p, bool by_index);
err_t codec_policy_gone_read(const struct nlmsghdr *h, struct xfrm_policy *out, struct why *why);
// GETPOLICY, DELPOLICY.
void codec_policy_id_write(struct message *m, const struct xfrm_policy_id *id);
err_t codec_policy_id_read(const struct nlmsghdr *h, struct xfrm_policy_id *out, struct why *why);
// FLUSHPOLICY, request and notification.
void codec_policy_flush_write(struct message *m, uint8_t type);
err_t codec_policy_flush_read(const struct nlmsghdr *h, uint8_t *type, struct why *why);
// POLEXPIRE, request and notification.
void codec_polexpire_write(struct message *m, const struct xfrm_policy *p, bool hard);
err_t codec_polexpire_read(const struct nlmsghdr *h, struct xfrm_policy *out, bool *hard,
                           struct why *why);
// The policy that a request names: the rest of it is not looked at.
err_t codec_polexpire_id_read(const struct nlmsghdr *h, struct xfrm_policy_id *id, bool *hard,
                              struct why *why);
// ACQUIRE: tmpl is the template that found no SA, trigger the packet.
struct codec_acquire {
    struct xfrm_policy policy;
    struct xfrm_tmpl tmpl; // with the addresses the SA shall have
    struct xfrm_selector trigger;
    uint32_t seq;
    bool pcpu_given;
    uint32_t pcpu;
};
void codec_acquire_write(struct message *m, const struct xfrm_event *ev);
err_t codec_acquire_read(const struct nlmsghdr *h, struct codec_acquire *out, struct why *why);
struct xfrm_policy_id codec_policy_id(const struct xfrm_policy *p);

// ---- moves and defaults (codec_move.c) ----
// MIGRATE, request and notification.
void codec_migrate_write(struct message *m, const struct xfrm_migrate *g, bool request);
err_t codec_migrate_read(const struct nlmsghdr *h, struct xfrm_migrate *out, struct why *why);
err_t codec_migrate_told_read(const struct nlmsghdr *h, struct xfrm_migrate *out, struct why *why);
// SETDEFAULT, GETDEFAULT, request and answer.
void codec_defaults_write(struct message *m, const uint8_t actions[XFRM_DIRS]);
err_t codec_defaults_read(const struct nlmsghdr *h, uint8_t actions[XFRM_DIRS], struct why *why);

// ---- the rest (codec_event.c, codec_info.c) ----
// Any event as its multicast message. codec_event_group() gives its XFRMNLGRP_*.
void codec_event_write(struct message *m, const struct xfrm_event *ev);
uint16_t codec_event_type(const struct xfrm_event *ev); // XFRM_MSG_*
unsigned codec_event_group(const struct xfrm_event *ev);
// An event with room for what its pointers point to.
struct codec_event {
    struct xfrm_event ev;
    struct xfrm_sa sa;
    struct xfrm_policy policy;
    struct xfrm_tmpl tmpl;
    struct xfrm_migrate migrate;
};
// ERR_UNSUPPORTED for a type that is not an event of ours (REPORT).
err_t codec_event_read(const struct nlmsghdr *h, struct codec_event *out, struct why *why);

// FLUSHSA, request and notification.
void codec_sa_flush_write(struct message *m, uint8_t proto);
err_t codec_sa_flush_read(const struct nlmsghdr *h, uint8_t *proto, struct why *why);
// MAPPING: from sa->saddr and its encapsulation port to new_peer.
void codec_mapping_write(struct message *m, const struct xfrm_sa *sa, const endpoint_t *new_peer);
err_t codec_mapping_read(const struct nlmsghdr *h, struct xfrm_sa *out, endpoint_t *new_peer,
                         struct why *why);

// Prefix lengths from which a policy is hashed: only remembered, never used.
struct codec_thresholds {
    struct xfrmu_spdhthresh v4, v6; // lbits, rbits
};
// GETSADINFO and GETSPDINFO carry flags that come back in the answer.
void codec_info_get_write(struct message *m, uint32_t flags);
err_t codec_info_get_read(const struct nlmsghdr *h, uint32_t *flags, struct why *why);
void codec_sadinfo_write(struct message *m, const struct xfrm_counts *c, uint32_t flags);
err_t codec_sadinfo_read(const struct nlmsghdr *h, struct xfrm_counts *c, struct why *why);
void codec_spdinfo_write(struct message *m, const struct xfrm_counts *c,
                         const struct codec_thresholds *t, uint32_t flags);
err_t codec_spdinfo_read(const struct nlmsghdr *h, struct xfrm_counts *c, struct why *why);
// NEWSPDINFO as a request; what it does not name stays. ERR_RANGE for more bits than an address.
err_t codec_thresholds_read(const struct nlmsghdr *h, struct codec_thresholds *t, struct why *why);
