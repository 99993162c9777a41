// FollowedTransfers: the running transfers, as the messages of WatchTransfers tell of them.
//
// Thread: one owner.
#pragma once

#include <cstdint>
#include <map>

#include "blobd/v1/downloads.pb.h"

namespace blobd::client {

class FollowedTransfers {
 public:
  void Apply(const v1::WatchTransfersResponse& change);
  const std::map<uint64_t, v1::Transfer>& running() const { return running_; }

 private:
  std::map<uint64_t, v1::Transfer> running_;
};

}  // namespace blobd::client
