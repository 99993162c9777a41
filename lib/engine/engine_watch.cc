// Watching: what callers are told while things run. See engine.h.
#include <algorithm>
#include <utility>

#include "base/error_reason.h"
#include "engine/engine.h"

namespace blobd::engine {
namespace {

constexpr Duration kFlushInterval = milliseconds(2500);

// What a watcher would see change.
bool Differ(const IntentView& a, const IntentView& b) {
  return a.state != b.state || a.verified_bytes != b.verified_bytes ||
         a.total_bytes != b.total_bytes || a.claimed_bytes != b.claimed_bytes ||
         a.complete_blobs != b.complete_blobs || a.total_blobs != b.total_blobs ||
         a.waits_for != b.waits_for || a.rate != b.rate || a.transfers != b.transfers ||
         a.failures != b.failures || a.row.paused != b.row.paused ||
         a.unproven_bytes != b.unproven_bytes;
}

}  // namespace

void Engine::Watch(IntentId id, std::shared_ptr<IntentWatcher> watcher,
                   UniqueFunction<void(Status)> done) {
  if (const auto it = live_.find(id); it != live_.end() && it->second.durable) {
    done(OkStatus());
    const IntentView view = ViewOf(it->second);
    // The others were told something older, and hear of this now or, once `told_` has it, never.
    if (const auto told = told_.find(id); told != told_.end() && Differ(view, told->second))
      TellWatchers(id, view, false);
    watcher->OnIntent(view, false);
    told_[id] = view;
    watchers_[id].push_back(std::move(watcher));
    ArmSampling();
    return;
  }
  GetIntent(id, [this, id, watcher = std::move(watcher),
                 done = std::move(done)](StatusOr<IntentView> view) mutable {
    if (!view.ok()) return done(view.status());
    if (view->state == IntentState::kEnded) {
      done(OkStatus());
      return watcher->OnIntent(*view, true);
    }
    // Its commit came through meanwhile; or nobody could tell its changes yet.
    if (const auto it = live_.find(id); it != live_.end() && it->second.durable)
      return Watch(id, std::move(watcher), std::move(done));
    const Status ready = Ready();
    done(ready.ok()
             ? ErrorFor(Reason::kStarting, "intent {} is just being made; try again", id.value)
             : ready);
  });
}

void Engine::Unwatch(IntentId id, const std::shared_ptr<IntentWatcher>& watcher) {
  const auto it = watchers_.find(id);
  if (it == watchers_.end()) return;
  std::erase(it->second, watcher);
  if (!it->second.empty()) return;
  watchers_.erase(it);
  told_.erase(id);
}

void Engine::TellWatchers(IntentId id, const IntentView& view, bool last) {
  const auto it = watchers_.find(id);
  if (it == watchers_.end()) return;
  const auto watchers = it->second;  // one may leave while it is told
  if (last) {
    watchers_.erase(it);
    told_.erase(id);
  } else {
    told_[id] = view;
  }
  for (const auto& watcher : watchers) watcher->OnIntent(view, last);
}

// Eight times a second while anything runs or is watched: rates are sampled, and watchers hear what
// changed.
void Engine::SampleAndTell() {
  std::vector<TransferId> other_rates;
  const bool running = transfers_.SampleRates(deps_.timers.Now(), &other_rates);
  for (const TransferId id : other_rates) transfer_watch_.Note(id);
  for (const auto& [node, gets] : gets_of_) remote_watch_.Note(node);  // its rate, at least
  std::vector<IntentId> watched;
  for (const auto& [id, watchers] : watchers_) watched.push_back(id);
  RequestViews requests(scheduler_.get());
  for (const IntentId id : watched) {
    const auto it = live_.find(id);
    if (it == live_.end()) continue;
    const IntentView view = ViewOf(it->second, requests);
    if (Differ(view, told_[id])) TellWatchers(id, view, false);
  }
  FlushNowAndThen(running);
  if (running || !watchers_.empty() || unflushed_ || flushing_) ArmSampling();
}

// The store syncs as bytes come in. What a transfer that stalls or has ended left behind is synced
// here, so that the bound on work lost with power holds without more bytes.
void Engine::FlushNowAndThen(bool running) {
  const Instant now = deps_.timers.Now();
  if (flushing_ || !unflushed_ || now - flushed_at_ < kFlushInterval) return;
  flushed_at_ = now;
  unflushed_ = running;
  flushing_ = true;
  deps_.store.Flush(deps_.control, [this](const Status& status) {
    flushing_ = false;
    unflushed_ |= !status.ok();
    if (!status.ok()) deps_.log.Write(LogLevel::kWarning, {}, "store: " + Message(status));
  });
}

void Engine::ArmSampling() {
  if (sampling_ != 0) return;
  sampling_ = deps_.timers.AddTimer(deps_.timers.Now() + RateMeter::kSampleInterval, [this] {
    sampling_ = 0;
    SampleAndTell();
  });
}

StatusView Engine::Summary() const {
  StatusView view;
  view.draining = draining_;
  view.paused = everything_paused_;
  view.degraded = Message(degraded_);
  view.disk = disk_;
  view.running_transfers = running_.size();
  view.unfinished_requests = scheduler_ == nullptr ? 0 : scheduler_->unfinished_requests();
  view.waiting_for_disk = scheduler_ == nullptr ? 0 : scheduler_->requests_held_by_disk();
  view.download_rate = transfers_.total_rate();
  view.verified_bytes = verified_bytes_;
  return view;
}

MetricsView Engine::Metrics() const {
  MetricsView view;
  view.status = Summary();
  view.unfinished_intents = live_.size();
  if (scheduler_ != nullptr) view.scheduling = scheduler_->stats();
  view.counters = counters_;
  return view;
}

}  // namespace blobd::engine
