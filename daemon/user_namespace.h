// Who is known here: in a user namespace with few users the kernel shows everybody else as one and
// the same, whom we refuse (rpc/peer.h). PrivateUsers= of a unit makes such a namespace.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace blobd::daemon {

// What an operator should hear of it; empty if all usual users are known. `uid_map` is the text of
// /proc/self/uid_map (user_namespaces(7)).
std::string WarningOfUnknownUsers(std::string_view uid_map);
// The same if blobd runs as `uid`; empty unless that is the one that stands for strangers.
std::string WarningOfUser(uint32_t uid);
// Of this process: the second, or else the first.
std::string WarningOfUnknownUsers();

}  // namespace blobd::daemon
