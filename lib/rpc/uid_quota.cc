#include "rpc/uid_quota.h"

#include "base/check.h"

namespace blobd::rpc {

Status UidQuota::Take(uint32_t uid, std::string_view things, size_t count) {
  const auto own = per_uid_.find(uid);
  const size_t has = own == per_uid_.end() ? 0 : own->second;
  const auto root = per_uid_.find(0);
  const size_t of_members = total_ - (root == per_uid_.end() ? 0 : root->second);
  const bool is_kept_for_root =
      uid != 0 && of_members + count + limits_.kept_for_root > limits_.total;
  if (has + count > limits_.per_uid || total_ + count > limits_.total || is_kept_for_root) {
    return ResourceExhausted("uid {} has {} {}, all together {}", uid, has, things, total_);
  }
  per_uid_[uid] += count;
  total_ += count;
  return OkStatus();
}

void UidQuota::Give(uint32_t uid, size_t count) {
  const auto own = per_uid_.find(uid);
  BLOBD_CHECK(own != per_uid_.end() && own->second >= count);
  own->second -= count;
  if (own->second == 0) per_uid_.erase(own);
  total_ -= count;
}

}  // namespace blobd::rpc
