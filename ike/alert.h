// alert.h - what goes wrong and somebody should look at: the conditions that strongSwan's clients
// know as `alert` (VICI), with its names. All of them are listed, so that a client that waits for
// one finds it; those that cannot occur here are said in pavise-iked(8).
#pragma once

// X(symbol, name)
#define ALERT_LIST(X)                                       \
    X(SHUTDOWN_SIGNAL, "shutdown-signal")                   \
    X(LOCAL_AUTH_FAILED, "local-auth-failed")               \
    X(PEER_AUTH_FAILED, "peer-auth-failed")                 \
    X(PEER_ADDR_FAILED, "peer-addr-failed")                 \
    X(PEER_INIT_UNREACHABLE, "peer-init-unreachable")       \
    X(INVALID_IKE_SPI, "invalid-ike-spi")                   \
    X(PARSE_ERROR_HEADER, "parse-error-header")             \
    X(PARSE_ERROR_BODY, "parse-error-body")                 \
    X(RETRANSMIT_SEND, "retransmit-send")                   \
    X(RETRANSMIT_SEND_CLEARED, "retransmit-send-cleared")   \
    X(RETRANSMIT_SEND_TIMEOUT, "retransmit-send-timeout")   \
    X(RETRANSMIT_RECEIVE, "retransmit-receive")             \
    X(HALF_OPEN_TIMEOUT, "half-open-timeout")               \
    X(PROPOSAL_MISMATCH_IKE, "proposal-mismatch-ike")       \
    X(PROPOSAL_MISMATCH_CHILD, "proposal-mismatch-child")   \
    X(TS_MISMATCH, "ts-mismatch")                           \
    X(TS_NARROWED, "ts-narrowed")                           \
    X(INSTALL_CHILD_SA_FAILED, "install-child-sa-failed")   \
    X(UNIQUE_REPLACE, "unique-replace")                     \
    X(KEEP_ON_CHILD_SA_FAILURE, "keep-on-child-sa-failure") \
    X(VIP_FAILURE, "vip-failure")                           \
    X(RADIUS_NOT_RESPONDING, "radius-not-responding")       \
    X(IKE_SA_EXPIRED, "ike-sa-expired")                     \
    X(CERT_EXPIRED, "cert-expired")                         \
    X(CERT_REVOKED, "cert-revoked")                         \
    X(CERT_VALIDATION_FAILED, "cert-validation-failed")     \
    X(CERT_NO_ISSUER, "cert-no-issuer")                     \
    X(CERT_UNTRUSTED_ROOT, "cert-untrusted-root")           \
    X(CERT_EXCEEDED_PATH_LEN, "cert-exceeded-path-len")     \
    X(CERT_POLICY_VIOLATION, "cert-policy-violation")

enum alert {
#define X(symbol, name) ALERT_##symbol,
    ALERT_LIST(X)
#undef X
        ALERTS
};
