// aka.h - EAP-AKA (RFC 4187) and EAP-AKA' (RFC 9048), as their peer's and their server's side share
// them. Inside eap/ only.
#pragma once

#include "eap/simaka.h"

#define AKA_KDF 1          // rfc9048 3.3: CK' and IK' by the name of the network
#define AKA_NETWORK "WLAN" // TS 24.302 8.1.1.2: as access networks that are not 3GPP's call it
#define AMF_SEPARATED 0x80 // AMF: for AKA' only (TS 33.102 annex H)
#define BIDDING_PRIME 0x8000U

static inline bool aka_is_prime(const struct eap *e)
{
    return e->method->type == EAP_AKA_PRIME;
}
// The USIM's secret of who proves it. ERR_NOTFOUND; ERR_RANGE: it is no such key. With a sentence.
err_t aka_usim(struct eap *e);
// MK and the rest, of what the USIM has made of the challenge.
err_t aka_keys(struct eap *e, const uint8_t autn[USIM_AUTN_LEN], span_t network);
bool aka_can(const struct eap *e);
err_t aka_answer(struct eap *e, span_t in, wr_t *out); // peer
