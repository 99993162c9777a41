#include "rpc/uid_quota.h"

#include "base/check.h"
#include "base/error_reason.h"

namespace blobd::rpc {

Status UidQuota::Take(const engine::Caller& caller, std::string_view things, size_t count) {
  const auto own = per_uid_.find(caller.uid);
  const size_t has = own == per_uid_.end() ? 0 : own->second;
  const size_t of_members = total_ - of_admins_;
  const bool is_kept =
      !caller.is_admin() && of_members + count + limits_.kept_for_admins > limits_.total;
  if (has + count > limits_.per_uid || total_ + count > limits_.total || is_kept) {
    const Status error = ErrorFor(Reason::kTooManyCalls,
                                  "uid {} has {} {}, all together {}; the limits are {} and {}",
                                  caller.uid, has, things, total_, limits_.per_uid, limits_.total);
    return WithDetail(error, "limit", std::to_string(limits_.per_uid));
  }
  per_uid_[caller.uid] += count;
  total_ += count;
  if (caller.is_admin()) of_admins_ += count;
  return OkStatus();
}

void UidQuota::Give(const engine::Caller& caller, size_t count) {
  const auto own = per_uid_.find(caller.uid);
  BLOBD_CHECK(own != per_uid_.end() && own->second >= count);
  own->second -= count;
  if (own->second == 0) per_uid_.erase(own);
  total_ -= count;
  if (caller.is_admin()) of_admins_ -= count;
}

}  // namespace blobd::rpc
