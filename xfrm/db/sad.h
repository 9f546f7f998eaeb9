// sad.h - the Security Association Database (RFC 4301 4.4.2): SAs by SPI, destination and protocol.
// One writer, the control thread; readers (workers) take no lock. Writers must be registered RCU
// threads and online (rcu_thread_online) too, since the table is resized behind everybody's back.
#pragma once

#include "xfrm/db/lane.h"
#include "xfrm/db/sa.h"

struct sad;

struct sad *sad_new(void);    // NULL when out of memory
void sad_free(struct sad *s); // frees the SAs that are still there; no reader may be left

// ---- any RCU reader ----
// The SA of an inbound packet whose mark is `mark`; larval ones included. NULL: none.
struct sa *sad_find(const struct sad *s, const ip_t *daddr, uint32_t spi, uint8_t proto,
                    uint32_t mark);
// The SA that we have sent such a packet by, whatever its mark. NULL: none.
struct sa *sad_find_sent(const struct sad *s, const ip_t *daddr, uint32_t spi, uint8_t proto);
// The companion (sa.h) of the IPComp SAs between these ends, for packets of this mark. NULL: none.
struct sa *sad_find_plain(const struct sad *s, const ip_t *saddr, const ip_t *daddr, uint32_t mark);

// For a burst: brings the bucket closer, and a step later the SA, which is returned: probably the
// one meant. NULL: no idea.
uint64_t sad_hint(const struct sad *s, const ip_t *daddr, uint32_t spi, uint8_t proto);
const struct sa *sad_hint_more(const struct sad *s, uint64_t hint);
// So many that they do not stay in the cache by themselves?
bool sad_is_large(const struct sad *s);

// SAs whose silence is to be covered by dummy packets (RFC 4303 2.6): ESP in tunnel mode with TFC
// padding, unless they are known to be inbound. The youngest first, member `in_covers`.
const struct cds_list_head *sad_covers(const struct sad *s);

// ---- control thread ----
// Takes the SA over. Whether one like it exists is the caller's question (sad_get). ERR_NOMEM.
err_t sad_add(struct sad *s, struct sa *sa);
// Takes it out and frees it after a grace period.
void sad_del(struct sad *s, struct sa *sa);
// Exact identity: address, SPI, protocol and a mark that id->mark.value satisfies.
struct sa *sad_get(const struct sad *s, const struct xfrm_sa_id *id);
struct xfrm_sa_id sad_id(const struct xfrm_sa *x);
uint32_t sad_count(const struct sad *s);
uint32_t sad_count_plain(const struct sad *s); // companions among them
struct lanes *sad_lanes(const struct sad *s);
// The youngest first, as the kernel dumps them: cds_list_for_each_entry(sa, sad_all(s), all).
struct cds_list_head *sad_all(struct sad *s);
// Larval SAs, however many: the one made by the ACQUIRE of x's number (not 0), protocol and
// destination; and the one without an SPI that an ACQUIRE made for a need like x (mode, reqid,
// protocol, addresses, if_id, CPU, mark). NULL: none.
struct sa *sad_larval_of(const struct sad *s, const struct xfrm_sa *x);
struct sa *sad_larval_like(const struct sad *s, const struct xfrm_sa *x);
