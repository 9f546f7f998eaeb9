#include "ike/exchange/natd.h"

#include "base/words.h"
#include "ike/exchange/mobike.h"
#include "ike/sa/diplomat.h"

bool natd_forced(const struct ike_sa *sa)
{
    return !sa->ike->opt.executor_has_raw_esp || (sa->conn && sa->conn->conf.encap);
}

static void put_hash(struct ike_sa *sa, struct msgw *m, uint16_t type, const endpoint_t *e)
{
    uint8_t hash[20];
    struct notify n = {.type = type, .data = SPAN(hash)};
    if (nat_hash(sa->spi_i, sa->spi_r, e, hash) != ERR_OK) return; // then without NAT traversal
    notify_write(msgw_begin(m, PAYLOAD_N), &n);
    msgw_end(m);
}

void natd_put_at(struct ike_sa *sa, struct msgw *m, const endpoint_t *from, const endpoint_t *to)
{
    // An address that is nobody's: the peer sees a NAT before us and speaks ESP in UDP.
    const endpoint_t nobody = {.ip = {.family = from->ip.family}};
    put_hash(sa, m, N_NAT_DETECTION_SOURCE_IP, natd_forced(sa) ? &nobody : from);
    put_hash(sa, m, N_NAT_DETECTION_DESTINATION_IP, to);
}

void natd_put(struct ike_sa *sa, struct msgw *m)
{
    natd_put_at(sa, m, &sa->local, &sa->remote);
}

// Is one of the Notifies of this type the hash of e? *seen: was there any?
static bool hash_among(const struct msg *in, uint16_t type, const endpoint_t *e, bool *seen)
{
    uint8_t hash[20];
    if (nat_hash(in->h.spi_i, in->h.spi_r, e, hash) != ERR_OK) return true;
    for (unsigned i = 0; i < in->n; i++) {
        struct notify n;
        if (in->payload[i].type != PAYLOAD_N) continue;
        if (notify_read(in->payload[i].body, &n) != ERR_OK || n.type != type) continue;
        *seen = true;
        if (span_eq(n.data, SPAN(hash))) return true;
    }
    return false;
}

static void tell_nat(struct ike_sa *sa, bool known)
{
    if (sa->nat_local) tell(sa->ike, sa, LOG_STORY, SAY_NAT_HERE);
    if (sa->nat_remote) tell(sa->ike, sa, LOG_STORY, SAY_NAT_THERE);
    if (known && !sa->nat_local && !sa->nat_remote) {
        tell(sa->ike, sa, LOG_STORY, "no NAT in between: addresses arrive as they were sent");
    }
    if (sa->encap_forced) {
        tell(sa->ike, sa, LOG_STORY, SAY_NAT_FAKED);
    }
}

void natd_take(struct ike_sa *sa, const struct msg *in, const struct datagram *d)
{
    bool source = false, destination = false;
    bool from_fits = hash_among(in, N_NAT_DETECTION_SOURCE_IP, &d->from, &source);
    bool to_fits = hash_among(in, N_NAT_DETECTION_DESTINATION_IP, &d->to, &destination);
    sa->opening->peer_natt = source && destination;
    sa->nat_remote = source && !from_fits;
    sa->nat_local = destination && !to_fits;
    bool plain = sa->opening->peer_natt && from_fits && to_fits;
    sa->encap_forced = plain && natd_forced(sa);
    sa->roam.natt = sa->opening->peer_natt;
    sa->no_natt = !source && !destination;
    tell_nat(sa, sa->opening->peer_natt);
}

void natd_take_again(struct ike_sa *sa, const struct msg *in, const struct datagram *d)
{
    bool source = false, destination = false;
    bool from_fits = hash_among(in, N_NAT_DETECTION_SOURCE_IP, &d->from, &source);
    bool to_fits = hash_among(in, N_NAT_DETECTION_DESTINATION_IP, &d->to, &destination);
    if (!source || !destination) return;
    bool changed = sa->nat_remote == from_fits || sa->nat_local == to_fits;
    if (sa->nat_local && to_fits) tell(sa->ike, sa, LOG_STORY, SAY_NAT_NOT_HERE);
    if (sa->nat_remote && from_fits) tell(sa->ike, sa, LOG_STORY, SAY_NAT_NOT_THERE);
    sa->nat_remote = !from_fits;
    sa->nat_local = !to_fits;
    if (changed) tell_nat(sa, true);
}

void natd_float(struct ike_sa *sa)
{
    if (!ike_sa_udp(sa) && !mobike_floats(sa)) return;
    if (sa->local.port == sa->ike->opt.natt_port) return;
    sa->local.port = sa->ike->opt.natt_port;
    // A peer on a port of its own expects us there; the standard one moves with us.
    if (sa->remote.port == 500) sa->remote.port = 4500;
    tell(sa->ike, sa, LOG_INFO, "moving to port %u", sa->remote.port);
}
