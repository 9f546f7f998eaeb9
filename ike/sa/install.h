// install.h - a child SA into the executor and out of it again: SPIs, SAs, policies (RFC 4301 4.4).
#pragma once

#include "ike/sa/child_sa.h"

// Reserves an SPI for what comes from the IKE SA's peer. proto: enum xfrm_proto; mode: as far as it
// is known. Errors: the executor's, with a sentence.
err_t install_spi(struct ike_sa *sa, uint32_t reqid, uint8_t proto, enum xfrm_mode mode,
                  uint32_t *spi, struct why *why);
// The same SPI at our present address instead of the one it was reserved for.
void install_spi_move(struct ike_sa *sa, const ip_t *from, uint8_t proto, uint32_t spi);
// An SPI that no SA came to; 0 is fine.
void install_spi_back(struct ike_sa *sa, uint8_t proto, uint32_t spi);

// Inbound SA, then outbound SA, then policies. hold_out: the outbound SA is kept back until
// install_switch(), because the peer may not be able to read it yet.
// On error nothing of it stays in the executor.
err_t install_child(struct child_sa *c, const struct child_keys *keys, bool hold_out,
                    struct why *why);
// Does the peer know of this child SA? By its next request, its packets, or the time that has
// passed.
bool install_confirmed(struct child_sa *c);
void install_switch(struct child_sa *c);     // the outbound SA that was kept back comes into use
void install_stop_out(struct child_sa *c);   // the outbound SA goes, or will never come
void install_remove_out(struct child_sa *c); // ... and the policies
void install_remove(struct child_sa *c);     // everything
// The peer (or we) moved: the IKE SA's addresses and ports become the child's, same keys and
// numbers. Inbound and outbound may follow at different times.
enum { INSTALL_IN = 1, INSTALL_OUT = 2 };
void install_move(struct child_sa *c, unsigned which);
// Removes SAs between the same hosts that an earlier run has left for the same traffic.
void install_sweep(struct child_sa *c);
// The same for a child SA that ends before that time: nobody would do it later, unless another one
// of the same child will.
void install_sweep_early(struct child_sa *c);
// Packets received by the child's inbound SA so far.
uint64_t install_packets_in(const struct child_sa *c);
uint64_t install_packets(const struct child_sa *c); // in both directions
// What one of its SAs has carried so far. false: it is not there.
bool install_counted(const struct child_sa *c, bool out, uint64_t *bytes, uint64_t *packets);
