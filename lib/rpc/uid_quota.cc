#include "rpc/uid_quota.h"

#include "base/check.h"

namespace blobd::rpc {

Status UidQuota::Take(uint32_t uid, std::string_view things) {
  const auto own = per_uid_.find(uid);
  const size_t count = own == per_uid_.end() ? 0 : own->second;
  const size_t total = limits_.total - (uid == 0 ? 0 : limits_.kept_for_root);
  if (count >= limits_.per_uid || total_ >= total) {
    return ResourceExhausted("uid {} has {} {}, all together {}", uid, count, things, total_);
  }
  ++per_uid_[uid];
  ++total_;
  return OkStatus();
}

void UidQuota::Give(uint32_t uid) {
  const auto own = per_uid_.find(uid);
  BLOBD_CHECK(own != per_uid_.end());
  if (--own->second == 0) per_uid_.erase(own);
  --total_;
}

}  // namespace blobd::rpc
