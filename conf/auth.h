// auth.h - the setting `auth` of a connection's local and remote sections: psk, pubkey, or classes
// of keys and hashes, as in "rsa-3072-sha384" or "ike:ecdsa-sha256".
#pragma once

#include "conf/schema.h"

key_set_fn set_auth; // to: struct conf_side
