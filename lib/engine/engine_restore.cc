// Restoring: everything the registry knows is loaded before anything is done with it, since damage
// may show on the last page; then it is taken over piece by piece, so that a million intents are
// never in memory twice, and others have their turn on the control loop meanwhile. See engine.h.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/error_reason.h"
#include "engine/engine.h"
#include "engine/history.h"

namespace blobd::engine {
namespace {

constexpr size_t kPageRows = 10'000;
constexpr size_t kIntentsPerTurn = 1'000;

}  // namespace

// One start on its way.
struct Engine::Loading {
  schedule::Options options;
  std::deque<registry::Snapshot> pages;
  size_t taken = 0;  // intents of the first page that were taken over
  ProvidersOf providers;
  UniqueFunction<void(Status)> done;
};

void Engine::StartLoading(TransferId first_transfer, UniqueFunction<void(Status)> done) {
  auto loading = std::make_shared<Loading>();
  loading->options = options_.schedule;
  loading->options.first_transfer_id = first_transfer.value;
  // The networks can cut a transfer that runs.
  loading->options.node_ability.parts = true;
  loading->options.mirror_ability.parts = true;
  for (const NamedProvider& named : options_.standing) {
    loading->options.standing.push_back(named.provider);
  }
  loading->done = std::move(done);
  loaded_intents_ = 0;
  LoadNext(std::move(loading), {});
}

void Engine::LoadNext(std::shared_ptr<Loading> loading, const registry::LoadCursor& from) {
  deps_.registry.LoadPage(from, kPageRows,
                          [this, loading](StatusOr<registry::LoadedPage> page) mutable {
                            if (!page.ok()) return loading->done(page.status());
                            loaded_intents_ += page->rows.unfinished.size();
                            loading->pages.push_back(std::move(page->rows));
                            if (page->next) return LoadNext(std::move(loading), *page->next);
                            LoadHistory(loading);
                          });
}

void Engine::LoadHistory(const std::shared_ptr<Loading>& loading) {
  registry::TransferFilter latest;
  latest.newest_first = true;
  deps_.registry.ListTransfers(
      latest, {}, TransferTable::kKeptEnded,
      [this, loading](StatusOr<std::vector<registry::TransferRow>> rows) {
        if (!rows.ok()) return loading->done(rows.status());
        if (draining_) return loading->done(ErrorFor(Reason::kDraining, "stopped while starting"));
        std::reverse(rows->begin(), rows->end());
        for (registry::TransferRow& row : *rows) transfers_.Restore(ToView(std::move(row)));
        BeginRestore(loading);
      });
}

void Engine::RestoreRemotes(const registry::Snapshot& rows) {
  const Instant now = deps_.timers.Now();
  const WallTime wall_now = deps_.clock.WallNow();
  for (const registry::RemoteAddressRow& row : rows.addresses) {
    const auto surplus = addresses_.Restore(
        row.node, {row.address, row.source, row.last_worked, microseconds(row.rtt_us), 0,
                   row.last_failed, row.last_failure});
    if (surplus) changes_.push_back(registry::DropRemoteAddress{row.node, *surplus});
  }
  for (const registry::RemoteRow& row : rows.remotes) {
    remotes_.Restore(row.node, row.last_worked, row.last_failed, row.last_failure);
  }
  for (const registry::BanRow& ban : rows.bans) {
    if (ban.until <= wall_now) continue;
    scheduler_->RestoreBan(ban.provider, now + (ban.until - wall_now), ban.times, ban.reason);
    if (const auto* node = std::get_if<NodeId>(&ban.provider)) {
      remotes_.Banned(*node, ban.until, ban.reason);
    }
  }
}

// Told when the disk is full or read-only, when it is well again, and when there is more room after
// somebody was refused for want of it. What waits on the disk looks again then.
void Engine::OnDisk(const store::DiskState& state) {
  const store::DiskState before = std::exchange(disk_, state);
  const bool well = state.condition == store::DiskCondition::kOk;
  if (state.condition != before.condition) {
    deps_.log.Write(well ? LogLevel::kNotice : LogLevel::kError,
                    {.event = well ? LogEvent::kDiskWell : LogEvent::kDiskTrouble},
                    well ? "the disk is well again; downloads go on"
                         : "downloads wait on the disk: " + state.reason);
  }
  if (well && scheduler_ != nullptr) Deliver(schedule::DiskRoom{});
}

void Engine::BeginRestore(const std::shared_ptr<Loading>& loading) {
  // What was configured since this engine was made, too.
  loading->options.limits = configured_limits_.schedule;
  loading->options.expected_intents = loaded_intents_;
  kinds_.reserve(loaded_intents_);
  keys_.reserve(loaded_intents_);
  scheduler_ = std::make_unique<schedule::Scheduler>(loading->options);
  const LiveLimits before = std::exchange(limits_, configured_limits_);
  kept_limits_.clear();
  ApplyRates();
  ApplyConnections(before.schedule.connections_per_mirror);
  everything_paused_ = false;
  restoring_ = true;
  restored_intents_ = 0;
  RestoreMore(loading);
}

void Engine::RestoreMore(const std::shared_ptr<Loading>& loading) {
  if (draining_) {
    restoring_ = false;
    return loading->done(ErrorFor(Reason::kDraining, "stopped while starting"));
  }
  if (!loading->pages.empty()) {
    if (RestorePage(*loading)) loading->pages.pop_front();
    return deps_.control.Post([this, loading] { RestoreMore(loading); });
  }
  restoring_ = false;
  // A life that ended between the end of an intent and the commit that drops its providers.
  for (const auto& [hash, providers] : loading->providers) {
    if (providers.wanted) continue;
    for (const ProviderId& id : providers.ids) late_drops_.Drop(hash, id);
  }
  loading->providers.clear();
  Learn(options_.standing);
  CommitChanges();
  ArmLongWaits();
  loading->done(OkStatus());
}

// A turn's worth of the first page; true if that was the rest of it.
bool Engine::RestorePage(Loading& loading) {
  registry::Snapshot& page = loading.pages.front();
  if (loading.taken == 0) {
    RestoreRemotes(page);
    RestoreSettings(page.settings);
    for (registry::ProviderRow& row : page.providers)
      loading.providers[row.hash].ids.push_back(std::move(row.provider));
  }
  const size_t end = std::min(loading.taken + kIntentsPerTurn, page.unfinished.size());
  for (; loading.taken < end; ++loading.taken, ++restored_intents_)
    RestoreIntent(std::move(page.unfinished[loading.taken]), loading.providers);
  if (loading.taken < page.unfinished.size()) return false;
  loading.taken = 0;
  return true;
}

void Engine::RestoreIntent(registry::IntentRow row, ProvidersOf& providers) {
  schedule::Queue event;
  event.id = row.id;
  event.kind = row.kind;
  event.priority = static_cast<schedule::Priority>(row.priority);
  event.patience = milliseconds(row.patience_ms);
  event.paused = row.paused;
  if (row.deadline.unix_ms != 0) {
    event.deadline = deps_.timers.Now() + (row.deadline - deps_.clock.WallNow());
  }
  // Every intent brings them: the first of a hash may end at once, its deadline being over.
  if (const auto it = providers.find(row.kind.hash); it != providers.end()) {
    it->second.wanted = true;
    event.providers = it->second.ids;
  }
  // The texts that an unfinished intent has are copied, so that once the pages are gone nothing is
  // left of what the registry's thread took.
  row.label = std::string(row.label);
  row.idempotency_key = std::string(row.idempotency_key);
  AddLive(std::move(row), true);
  Deliver(std::move(event));
}

}  // namespace blobd::engine
