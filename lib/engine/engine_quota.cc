// What one user may have unfinished: so many intents, and so many bytes. See engine.h.
//
// Each content that an unfinished intent of the user wants counts once: with its size, when that is
// proven, and before with what is verified of it. What others claim counts for nothing. At the
// limit nothing new is taken; content that turns out to be beyond it ends the user's intents for
// it, and nobody else's.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/error_reason.h"
#include "base/units.h"
#include "engine/engine.h"

namespace blobd::engine {
namespace {

// More of one content is not counted, so that sums stay sums.
constexpr uint64_t kMostCounted = uint64_t{1} << 44;
// Ended in one turn of the loop.
constexpr size_t kEndsInATurn = 1000;

}  // namespace

Status Engine::CheckQuota(const Caller& caller, size_t more) const {
  const auto it = intents_of_uid_.find(caller.uid);
  const size_t now = it == intents_of_uid_.end() ? 0 : it->second;
  if (more == 0 || caller.is_admin() || now + more <= limits_.intents_per_uid) return OkStatus();
  const Status error =
      ErrorFor(Reason::kIntentQuota, "uid {} has {} unfinished intents; the limit is {}",
               caller.uid, now, limits_.intents_per_uid);
  return WithDetail(error, "limit", std::to_string(limits_.intents_per_uid));
}

// REQUIRES: `kinds` are of intents that would be new
Status Engine::CheckBytes(const Caller& caller, const std::vector<const Kind*>& kinds) const {
  const uint64_t limit = limits_.bytes_per_uid;
  if (limit == 0 || kinds.empty() || caller.is_admin()) return OkStatus();
  const auto it = bytes_of_uid_.find(caller.uid);
  const uint64_t now = it == bytes_of_uid_.end() ? 0 : it->second;
  uint64_t more = 0;  // of what others want, too
  std::unordered_set<Kind> seen;
  for (const Kind* kind : kinds) {
    const auto live = kinds_.find(*kind);
    if (live == kinds_.end() || live->second.owners.HasUnfinished(caller.uid)) continue;
    if (seen.insert(*kind).second) more += live->second.counted_bytes;
  }
  if (now < limit && more <= limit - now) return OkStatus();
  const Status error = ErrorFor(
      Reason::kBytesQuota, "the unfinished intents of uid {} want {}{}; the limit is {}",
      caller.uid, FormatSize(now),
      more == 0 ? "" : fmt::format(", and these {} more", FormatSize(more)), FormatSize(limit));
  return WithDetail(error, "limit", std::to_string(limit));
}

std::string Engine::OverQuota(uint32_t uid) const {
  const auto it = bytes_of_uid_.find(uid);
  return fmt::format("quota: with it the unfinished intents of uid {} want {}; the limit is {}",
                     uid, FormatSize(it == bytes_of_uid_.end() ? 0 : it->second),
                     FormatSize(limits_.bytes_per_uid));
}

void Engine::AddOwner(LiveKind& live, uint32_t uid) {
  if (!live.owners.HasUnfinished(uid) && live.counted_bytes > 0)
    bytes_of_uid_[uid] += live.counted_bytes;
  live.owners.Add(uid);
}

// The intent has ended, or is withdrawn.
void Engine::EndOwner(const LiveIntent& intent) {
  const uint32_t uid = intent.row.owner_uid;
  LiveKind& live = kinds_.at(intent.row.kind);
  live.owners.Finish(uid, intent.has_quota);
  if (live.owners.HasUnfinished(uid) || live.counted_bytes == 0) return;
  const auto it = bytes_of_uid_.find(uid);
  BLOBD_CHECK(it != bytes_of_uid_.end() && it->second >= live.counted_bytes);
  it->second -= live.counted_bytes;
  if (it->second == 0) bytes_of_uid_.erase(it);
}

// REQUIRES: it is not yet
void Engine::PutUnderQuota(LiveIntent& intent) {
  intent.has_quota = true;
  kinds_.at(intent.row.kind).owners.Bind(intent.row.owner_uid);
}

// More is known of a kind, or more of it is here.
void Engine::CountBytes(const Kind& kind, LiveKind& live) {
  SetCounted(kind, live, live.total_bytes != 0 ? live.total_bytes : live.verified_bytes);
}

void Engine::SetCounted(const Kind& kind, LiveKind& live, uint64_t bytes) {
  const uint64_t now = std::min(bytes, kMostCounted);
  const uint64_t before = std::exchange(live.counted_bytes, now);
  if (now == before) return;
  live.owners.ForEachUnfinished([&](uint32_t uid) {
    uint64_t& sum = bytes_of_uid_[uid];
    sum = sum - before + now;
    if (sum == 0) bytes_of_uid_.erase(uid);
  });
  if (now < before || limits_.bytes_per_uid == 0 || live.quota_due) return;
  live.quota_due = live.owners.AnyBound([&](uint32_t uid) {
    const auto it = bytes_of_uid_.find(uid);
    return it != bytes_of_uid_.end() && it->second > limits_.bytes_per_uid;
  });
  // Not from within what told it.
  if (live.quota_due) deps_.control.Post([this, kind] { EndWhatIsOverQuota(kind); });
}

void Engine::EndWhatIsOverQuota(const Kind& kind) {
  const auto it = kinds_.find(kind);
  if (it == kinds_.end()) return;
  it->second.quota_due = false;
  if (limits_.bytes_per_uid == 0) return;
  std::vector<IntentId> over;
  for (const IntentId id : scheduler_->IntentsOf(kind, it->second.owners.intents())) {
    const auto intent = live_.find(id);
    if (intent == live_.end() || !intent->second.has_quota || intent->second.finished) continue;
    const auto bytes = bytes_of_uid_.find(intent->second.row.owner_uid);
    if (bytes == bytes_of_uid_.end() || bytes->second <= limits_.bytes_per_uid) continue;
    intent->second.over_quota = true;
    over.push_back(id);
    if (over.size() == kEndsInATurn) break;
  }
  for (const IntentId id : over) Deliver(schedule::Cancel{id});
  if (over.size() < kEndsInATurn) return;
  if (const auto left = kinds_.find(kind); left != kinds_.end()) left->second.quota_due = true;
  deps_.control.Post([this, kind] { EndWhatIsOverQuota(kind); });
}

}  // namespace blobd::engine
