// The daemon's socket: which one, whether somebody holds it, and what to do if it cannot be used.
//
// Thread: any, but for SocketError, which asks the user database.
#pragma once

#include <string>

#include "base/status.h"

namespace blobd::client {

// The socket to use when none is named: BLOBD_SOCKET, else the user's own daemon if it answers,
// else the system's.
std::string DefaultSocket();

// 0 if somebody holds the socket: a daemon, or systemd until there is one. Else the errno of
// connecting. Never blocks.
int TryConnect(const std::string& path);

// What TryConnect's error means, and what to do about it. kPermissionDenied or kUnavailable.
Status SocketError(const std::string& path, int error);

}  // namespace blobd::client
