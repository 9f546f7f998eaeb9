// ready.h - tells systemd (or whoever set NOTIFY_SOCKET) what the daemon is doing, sd_notify(3).
#pragma once

// state: "READY=1", "STOPPING=1", "RELOADING=1", ... Nothing happens without NOTIFY_SOCKET.
void ready_tell(const char *state);
// A reload begins; sd_notify(3) wants to know when.
void ready_reloading(void);
