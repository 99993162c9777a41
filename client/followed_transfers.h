// FollowedTransfers: the running transfers, as the messages of WatchTransfers tell of them; also
// those that have ended, as long as the daemon lists them, if they are asked for.
//
// Thread: one owner.
#pragma once

#include <cstdint>
#include <map>

#include "blobd/v1/downloads.pb.h"

namespace blobd::client {

class FollowedTransfers {
 public:
  explicit FollowedTransfers(bool with_ended = false) : with_ended_(with_ended) {}

  void Apply(const v1::WatchTransfersResponse& change);
  const std::map<uint64_t, v1::Transfer>& running() const { return running_; }
  const std::map<uint64_t, v1::Transfer>& ended() const { return ended_; }

 private:
  bool with_ended_;
  std::map<uint64_t, v1::Transfer> running_;
  std::map<uint64_t, v1::Transfer> ended_;
};

}  // namespace blobd::client
