// What the keeper does by itself: under the size limit, and while the disk is full. See keeper.h.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "engine/keeper.h"

namespace blobd::engine {
namespace {

// While the disk is full and something could be removed: it may have been too little.
constexpr Duration kSoon = seconds(5);
// More than the reserve is to be free, or the disk would be full again at once.
constexpr uint64_t kLeastSlack = uint64_t{1} << 20;

}  // namespace

void Keeper::Start() {
  disk_watch_ = deps_.store.WatchDisk(deps_.control,
                                      [this](const store::DiskState& state) { OnDisk(state); });
  ArmCheck(options_.check_interval);
}

void Keeper::Stop() {
  stopped_ = true;
  disk_watch_.reset();
  if (check_timer_ != 0) deps_.timers.CancelTimer(std::exchange(check_timer_, 0));
  if (collecting_ != nullptr) collecting_->Cancel();
  if (dry_running_ != nullptr) dry_running_->Cancel();
  if (verifying_ != nullptr) verifying_->Cancel();
}

void Keeper::Reconfigure(const KeeperOptions& options) {
  options_ = options;
  if (check_timer_ != 0) ArmCheck(options_.check_interval);
}

void Keeper::OnDisk(const store::DiskState& state) {
  const bool became_full = state.condition == store::DiskCondition::kFull &&
                           disk_.condition != store::DiskCondition::kFull;
  disk_ = state;
  if (became_full && !stopped_) Check();
}

void Keeper::ArmCheck(Duration delay) {
  if (stopped_) return;
  if (check_timer_ != 0) deps_.timers.CancelTimer(check_timer_);
  check_timer_ = deps_.timers.AddTimer(deps_.timers.Now() + delay, [this] {
    check_timer_ = 0;
    deps_.registry.Commit({registry::DropEndedLeases{deps_.clock.WallNow()}}, [](const Status&) {});
    Check();
  });
}

void Keeper::Check() {
  ArmCheck(options_.check_interval);
  const bool is_full = disk_.condition == store::DiskCondition::kFull;
  if (options_.max_bytes == 0 && !is_full) return last_worry_.clear();
  if (collecting_ != nullptr) return ArmCheck(kSoon);  // that one may not remove enough
  deps_.store.Stats(deps_.control, [this](const StatusOr<store::StoreStats>& stats) {
    if (stats.ok() && !stopped_) CollectIfOver(*stats);
  });
}

void Keeper::CollectIfOver(const store::StoreStats& stats) {
  const uint64_t bytes = stats.complete_bytes + stats.partial_bytes;
  uint64_t to_bytes = bytes;
  std::string why;
  if (options_.max_bytes != 0 && bytes > options_.max_bytes) {
    to_bytes = options_.max_bytes;
    why = fmt::format("the store has {}, and its limit is {}", FormatSize(bytes),
                      FormatSize(options_.max_bytes));
  }
  if (disk_.condition == store::DiskCondition::kFull) {
    const uint64_t wanted = disk_.reserve_bytes + std::max(disk_.reserve_bytes / 8, kLeastSlack);
    const uint64_t missing = wanted - std::min(wanted, disk_.free_bytes);
    to_bytes = std::min(to_bytes, bytes - std::min(bytes, missing));
    why = "the disk is full: " + disk_.reason;
  }
  if (why.empty()) {
    last_worry_.clear();
    return;
  }
  CollectDown(to_bytes, std::move(why));
}

void Keeper::CollectDown(uint64_t to_bytes, std::string why) {
  GcRequest request;
  request.to_bytes = to_bytes;
  Collect(request, nullptr, [this, why = std::move(why)](const Status& status, const GcReport& r) {
    OnCollectedDown(why, status, r);
  });
}

void Keeper::OnCollectedDown(const std::string& why, const Status& status, const GcReport& report) {
  if (report.removed_blobs > 0) {
    deps_.log.Write(LogLevel::kNotice, {},
                    fmt::format("{}; removed {} blobs, {}", why, report.removed_blobs,
                                FormatSize(report.removed_bytes)));
    if (disk_.condition == store::DiskCondition::kFull) ArmCheck(kSoon);
  }
  std::string worry;
  if (!status.ok()) {
    worry = "garbage collection stopped: " + Message(status);
  } else if (report.removed_blobs == 0 && report.seen_blobs > 0) {
    worry = "nothing can be removed, since everything is protected; see \"blobctl gc --dry-run\"";
  }
  const bool is_news = last_worry_.find(worry) == std::string::npos;
  if (!worry.empty() && is_news && !stopped_)
    deps_.log.Write(LogLevel::kWarning, {}, why + "; " + worry);
  last_worry_ = worry.empty() ? "" : why + "; " + worry;
}

}  // namespace blobd::engine
