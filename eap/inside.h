// inside.h - the conversation of EAP inside TLS, for TTLS and PEAP, which differ in how they
// write its packets. Inside eap/ only.
#pragma once

#include "eap/pieces.h"

#define INSIDE_MAX 4096U // bytes of what comes in one message; methods of passwords take some 200

// Makes it: a server for a server, with methods of passwords. ERR_NOMEM.
err_t inside_new(struct eap *e);
void inside_tell(struct eap *e); // its sentences are ours
// What has come through TLS. *len: the room, then the bytes; 0: nothing yet. ERR_LIMIT, ERR_CRYPTO.
err_t inside_read(struct eap *e, uint8_t *out, size_t *len);
err_t inside_failed(struct eap *e); // ERR_AUTH, with its reason
// Server: the peer has said who it is; the first method. ERR_AUTH with a sentence.
err_t inside_begin(struct eap *e);
// Server: it has succeeded. Makes the key.
err_t inside_succeeded(struct eap *e);
