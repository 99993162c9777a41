// What Admin.Status says that does not change while the daemon runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/node_id.h"
#include "base/time.h"
#include "transfer/upload_server.h"

namespace blobd::rpc {

struct DaemonIdentity {
  std::string version;
  NodeId node_id;
  std::vector<std::string> listen_addresses;
  WallTime started;
  std::string state_directory;
  uint64_t unsynced_bytes_bound = 0;
  transfer::ServeMode serve = transfer::ServeMode::kListed;
};

}  // namespace blobd::rpc
