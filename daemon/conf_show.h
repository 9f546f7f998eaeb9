// conf_show.h - connections and policies of the configuration as VICI sections, in the order and
// format of strongSwan.
#pragma once

#include "conf/config.h"
#include "vici/msg.h"

// The section of one connection: the body of a list-conn event.
void conf_show_conn(struct vici_msg *m, const struct conf_conn *c);
// The section "<conn>/<child>": the body of a list-policy event.
// reqid 0: of no SAs.
void conf_show_policy(struct vici_msg *m, const struct conf_conn *c, const struct conf_child *k,
                      uint32_t reqid);
// One traffic selector: "10.1.0.0/16[tcp/80]", "10.0.0.1..10.0.0.9", "dynamic". buf is returned.
#define CONF_TS_TEXT_MAX 160
const char *conf_show_ts(const struct conf_ts *ts, char buf[CONF_TS_TEXT_MAX]);
