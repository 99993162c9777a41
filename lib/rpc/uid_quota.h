// UidQuota: how many of something each uid holds, bounded per uid and in all. Some of the total are
// kept for administrators, who must get in to see what is wrong: members have the others, whatever
// administrators have.
//
// Thread: one owner; no locking inside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "base/status.h"
#include "engine/caller.h"

namespace blobd::rpc {

struct UidLimits {
  size_t per_uid = 64;
  size_t total = 512;
  size_t kept_for_admins = 16;  // of the total
};

class UidQuota {
 public:
  explicit UidQuota(UidLimits limits) : limits_(limits) {}

  // Counts `count` more, of what is called `things` in the error. kResourceExhausted: not counted.
  Status Take(const engine::Caller& caller, std::string_view things, size_t count = 1);
  // REQUIRES: they were taken, by the same caller
  void Give(const engine::Caller& caller, size_t count = 1);
  size_t total() const { return total_; }

 private:
  const UidLimits limits_;
  size_t total_ = 0;
  size_t of_admins_ = 0;                          // of these
  std::unordered_map<uint32_t, size_t> per_uid_;  // no zeros
};

}  // namespace blobd::rpc
