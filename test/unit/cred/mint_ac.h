// mint_ac.h - attribute certificates (RFC 5755) made for a test, sound or not. Everything fails the
// test if it does not work.
#pragma once

#include "cred/acert.h"
#include "test/unit/cred/mint.h"

#define MINT_GROUPS 4

struct mint_ac_spec {
    const struct mint *by, *holder;
    const struct mint *named; // entityName, besides the issuer and number of `holder`; NULL: none
    const char *dns;          // entityName: a dNSName instead
    bool no_base;             // the holder's issuer and number are not said
    bool digest;              // objectDigestInfo, which is not read
    bool issuer_v1;           // AttCertIssuer's first form
    const char *groups[MINT_GROUPS];
    const char *oid_group; // hexadecimal contents of an OBJECT IDENTIFIER; NULL: none
    int64_t from, to;      // default: a day before MINT_NOW, a year after it
    uint8_t serial;        // default: counts
    uint8_t version;       // default 1
    bool final;            // noRevAvail
    bool list;             // cRLDistributionPoints (of no use)
    bool critical;         // an extension that nobody knows
    bool other_algorithm;  // what is signed names another one than what stands outside
};

// The bytes are good until the 16th next call. The length of ACERT_DER_MAX is never reached.
span_t mint_ac_der(struct mint_ac_spec spec);
#define MINT_AC_DER(...) mint_ac_der((struct mint_ac_spec){__VA_ARGS__})
struct acert *mint_ac(struct mint_ac_spec spec); // caller frees
#define MINT_AC(...) mint_ac((struct mint_ac_spec){__VA_ARGS__})
