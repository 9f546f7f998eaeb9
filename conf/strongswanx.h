// strongswanx.h - what the files that read strongswan.conf share.
#pragma once

#include "conf/strongswan.h"
#include "conf/tree.h"

#define EAP_PREFERRED "plugins.eap-dynamic.preferred"
#define EAP_IN_TTLS "plugins.eap-ttls.phase2_method"
#define EAP_IN_PEAP "plugins.eap-peap.phase2_method"

// The value of charon-systemd.<path>, else of charon.<path>; NULL: neither is written, or it is
// empty. out (may be NULL) is set with a value only.
const char *strongswan_get(const struct tree *t, const char *path, const struct setting **out);

// Seconds, or with a unit; false: it is no number.
bool strongswan_number(const char *text, double *out);

// Plugin eap-radius (strongswan_radius.c).
void strongswan_radius(const struct tree *t, struct strongswan *s, struct conf_issues *issues);
bool strongswan_is_radius(const char *path);
// Is the plugin in the list `load`, or loaded by its own section?
bool strongswan_loads(const struct tree *t, const char *plugin);
// Plugin attr, and dns1, dns2, nbns1, nbns2 (strongswan_attr.c).
void strongswan_attributes(const struct tree *t, struct strongswan *s, struct conf_issues *issues);
bool strongswan_is_attribute(const char *path);
// Plugin eap-dynamic, and libtls (strongswan_eap.c).
void strongswan_eap(const struct tree *t, struct strongswan *s, struct conf_issues *issues);
// Plugins ipseckey, dnscert and unbound (strongswan_dnssec.c).
#define DNSSEC_ANCHORS "plugins.unbound.trust_anchors"
#define DNSSEC_DLV "plugins.unbound.dlv_anchors"
void strongswan_dnssec(const struct tree *t, struct strongswan *s, struct conf_issues *issues);
// filelog, syslog and journal (strongswan_log.c).
void strongswan_logs(const struct tree *t, struct strongswan *s, struct conf_issues *issues);
bool strongswan_is_log(const char *path);
