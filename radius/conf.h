// conf.h - RADIUS servers and what is said to them, as strongswan.conf has it
// (charon.plugins.eap-radius). A plain value without pointers: two are the same if their bytes are.
#pragma once

#include "base/addr.h"

#define RADIUS_SERVERS_MAX 8
#define RADIUS_SOCKETS_MAX 16 // of one server, each for 256 questions at a time
#define RADIUS_NAME_MAX 64
#define RADIUS_SECRET_MAX 128

struct radius_server {
    char name[RADIUS_NAME_MAX];
    ip_t ip;
    uint16_t auth_port, acct_port;
    char nas_identifier[RADIUS_NAME_MAX];
    uint8_t secret_len, secret[RADIUS_SECRET_MAX];
    uint32_t sockets, preference; // the highest is asked first
    uint32_t tries;               // repetitions
    double timeout_s, base;       // until the first of them; and how much longer each next one
};

// What the diplomat has to know of it.
struct radius_habits {
    bool given;                      // there are servers
    bool station_port;               // in Called-Station-Id and Calling-Station-Id
    bool class_group, filter_id;     // attributes that say groups
    bool eap_start;                  // lets the server ask who the client is
    char id_prefix[RADIUS_NAME_MAX]; // stands before the client's name
};

struct radius_accounting {
    bool on, requires_vip, send_class;
    bool close_on_timeout; // an IKE SA whose interim record nobody acknowledges
    bool close_all;        // all IKE SAs, whenever all servers are silent
    uint32_t interval_s;   // of interim records; 0: where the server asks for them
};

struct radius_dae_conf { // RFC 5176
    bool on;
    ip_t listen;
    uint16_t port;
    uint8_t secret_len, secret[RADIUS_SECRET_MAX];
};

struct radius_conf {
    unsigned server_n;
    struct radius_server server[RADIUS_SERVERS_MAX];
    struct radius_habits habits;
    struct radius_accounting acct;
    struct radius_dae_conf dae;
};
