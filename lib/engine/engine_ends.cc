// Ends of intents: made durable, many in one commit, and then told. See engine.h.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/engine.h"
#include "engine/history.h"
#include "engine/journal_text.h"

namespace blobd::engine {
namespace {

constexpr Duration kCommitRetry = seconds(1);

registry::ResultCode StoredCode(schedule::ResultCode code) {
  switch (code) {
    case schedule::ResultCode::kDone:
      return registry::ResultCode::kDone;
    case schedule::ResultCode::kCancelled:
      return registry::ResultCode::kCancelled;
    case schedule::ResultCode::kNoProviders:
      return registry::ResultCode::kNoProviders;
    case schedule::ResultCode::kFailed:
      return registry::ResultCode::kFailed;
    case schedule::ResultCode::kDeadlineExceeded:
      return registry::ResultCode::kDeadlineExceeded;
  }
  return registry::ResultCode::kFailed;
}

}  // namespace

void Engine::Finish(const schedule::FinishIntent& effect) {
  const auto it = live_.find(effect.intent);
  if (it == live_.end()) return;  // withdrawn
  LiveIntent& intent = it->second;
  const std::string over_quota = intent.over_quota ? OverQuota(intent.row.owner_uid) : "";
  if (!intent.finished) EndOwner(intent);
  intent.finished = std::make_unique<Ending>(Ending{effect, late_drops_.Begin()});
  registry::IntentRow& row = intent.row;
  if (!over_quota.empty() && effect.code == schedule::ResultCode::kCancelled) {
    intent.finished->effect.code = schedule::ResultCode::kFailed;
    intent.finished->effect.reason = over_quota;
  }
  row.result = StoredCode(intent.finished->effect.code);
  row.reason = intent.finished->effect.reason;
  row.finished = deps_.clock.WallNow();
  if (const auto kind = kinds_.find(row.kind); kind != kinds_.end()) {
    row.downloaded_bytes = kind->second.received_bytes;
    if (effect.code == schedule::ResultCode::kDone) row.total_bytes = kind->second.total_bytes;
  }
  if (intent.durable) ends_.push_back(effect.intent);
}

// One commit at a time: what ends meanwhile shares the next, so a hundred thousand that end at once
// leave room for the commits of others.
void Engine::WriteEnds() {
  if (ends_under_way_ > 0 || ends_timer_ != 0 || ends_.empty()) return;
  ends_under_way_ = std::min(ends_.size(), ends_at_once_);
  std::vector<registry::Change> changes;
  changes.reserve(ends_under_way_);
  for (size_t i = 0; i < ends_under_way_; ++i) {
    const LiveIntent& intent = live_.at(ends_[i]);
    changes.push_back(registry::PutIntent{intent.row});
    if (const auto& failures = intent.finished->effect.failures; !failures.empty())
      changes.push_back(registry::PutIntentFailures{ends_[i], ToRows(failures)});
  }
  auto drops = late_drops_.Take(&changes, ends_under_way_);
  deps_.registry.Commit(std::move(changes), [this, drops = std::move(drops)](const Status& status) {
    late_drops_.Done(drops, status.ok());
    OnEndsCommitted(status);
  });
}

void Engine::OnEndsCommitted(const Status& status) {
  const auto count = static_cast<std::ptrdiff_t>(std::exchange(ends_under_way_, 0));
  if (status.ok()) {
    const std::vector<IntentId> written(ends_.begin(), ends_.begin() + count);
    ends_.erase(ends_.begin(), ends_.begin() + count);
    ends_at_once_ = std::min(ends_at_once_ * 2, kMostEndsAtOnce);
    if (std::exchange(ends_refused_, false))
      deps_.log.Write(LogLevel::kNotice, {}, "ends of intents are written again");
    for (const IntentId id : written) TellEnd(id);
  } else {
    OnEndsRefused(status);
  }
  CommitChanges();
  if (ends_under_way_ > 0) return;
  for (auto waiting = std::exchange(after_ends_, {}); auto& then : waiting) then();
}

// Not told before they are durable; the disk may have room again soon. The first of them tries it,
// alone: if it was the row and not the disk, it is the others' turn next.
void Engine::OnEndsRefused(const Status& status) {
  if (ends_at_once_ == 1) std::rotate(ends_.begin(), ends_.begin() + 1, ends_.end());
  ends_at_once_ = 1;
  if (!std::exchange(ends_refused_, true)) {
    deps_.log.Write(LogLevel::kError, {},
                    fmt::format("the ends of {} intents could not be written, tried again every "
                                "second: {}",
                                ends_.size(), Message(status)));
  }
  ends_timer_ = deps_.timers.AddTimer(deps_.timers.Now() + kCommitRetry, [this] {
    ends_timer_ = 0;
    CommitChanges();
  });
  if (ends_awaited_.empty()) return;
  std::vector<UniqueFunction<void(Status)>> waiting;
  for (const IntentId id : ends_) {
    for (auto& on_end : WhoAwaits(id)) waiting.push_back(std::move(on_end));
  }
  for (auto& on_end : waiting) on_end(status);
}

// They are told now, and wait no more.
std::vector<UniqueFunction<void(Status)>> Engine::WhoAwaits(IntentId id) {
  auto node = ends_awaited_.extract(id);
  if (node.empty()) return {};
  return std::move(node.mapped());
}

void Engine::TellEnd(IntentId id) {
  LiveIntent& intent = live_.at(id);
  auto waiting = WhoAwaits(id);
  IntentView view = ViewOfEnded(intent.row);
  view.failures = intent.finished->effect.failures;
  const bool good = view.row.result == registry::ResultCode::kDone;
  const std::optional<Hash> logged = LoggedHash(view.row.kind);
  deps_.log.Write(
      good ? LogLevel::kInfo : LogLevel::kNotice,
      {.hash = logged,
       .intent = id,
       .event = good ? LogEvent::kIntentDone : LogEvent::kIntentEnded},
      good ? "intent done"
           : "intent ended: " + ReasonForJournal(view.row.kind.hash, logged, view.row.reason));
  ++counters_.intents_ended[std::string(ResultName(view.row.result))];
  if (good) counters_.intent_time.Add(view.row.finished - view.row.created);
  RemoveLive(id);
  TellWatchers(id, view, true);
  for (auto& on_end : waiting) on_end(OkStatus());
}

void Engine::AfterEnds(Task then) {
  if (ends_under_way_ == 0) return then();
  after_ends_.push_back(std::move(then));
}

}  // namespace blobd::engine
