// commands_load.h - the VICI commands that change the configuration, piece by piece.
#pragma once

#include "daemon/commands.h"

vici_command_fn commands_load_conn, commands_unload_conn, commands_get_conns;
vici_command_fn commands_load_shared, commands_unload_shared, commands_get_shared;
vici_command_fn commands_load_key, commands_unload_key, commands_get_keys, commands_no_token;
vici_command_fn commands_load_cert, commands_clear_creds;
vici_command_fn commands_load_pool, commands_unload_pool;
vici_command_fn commands_load_authority, commands_unload_authority, commands_get_authorities;
